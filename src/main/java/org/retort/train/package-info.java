/**
 * Training: {@link org.retort.train.TrainingStep} runs one step in one native call, {@link
 * org.retort.train.Trainer} runs it for a number of epochs.
 */
@NullMarked
package org.retort.train;

import org.jspecify.annotations.NullMarked;
