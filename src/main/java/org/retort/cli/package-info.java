/**
 * The command line: {@code retort distill} runs a recipe, by default the main one, distillation on
 * the UCI optical digits; further commands train, evaluate, export and measure.
 */
package org.retort.cli;
