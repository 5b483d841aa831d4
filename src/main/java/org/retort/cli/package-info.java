/**
 * The command line: {@code retort distill} runs the main job, distillation on the UCI optical
 * digits.
 *
 * <p>A row of its table is a constant of {@code Row}; everything else here is the same for every
 * row.
 */
package org.retort.cli;
