/**
 * Data for training: {@link org.retort.data.Batches} is what a trainer reads, {@link
 * org.retort.data.DigitBatches} the one of the main job, of the UCI optical digits and their split
 * into test, labelled and unlabelled images.
 *
 * <p>Batches are direct buffers that {@code TrainingStep.run} takes without a copy. Everything is
 * seeded: the same seed and epoch give the same batches. Nothing here knows native code.
 */
package org.retort.data;
