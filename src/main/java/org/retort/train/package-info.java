/**
 * Training: {@link org.retort.train.TrainingStep} does one step in one native call, {@link
 * org.retort.train.Trainer} runs it for epochs.
 */
package org.retort.train;
