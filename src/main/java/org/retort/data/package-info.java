/**
 * The data of the main job: the UCI optical digits, their split into test, labelled and unlabelled
 * images, and the batches that training reads.
 *
 * <p>Batches are direct buffers that {@code TrainingStep.run} takes without a copy. Everything is
 * seeded: the same seed gives the same batches.
 */
package org.retort.data;
