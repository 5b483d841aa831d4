/**
 * Data for training. A {@link org.retort.data.Dataset} provides images by index: from CIFAR, from
 * files in MNIST's format, from text files and folders, a {@link org.retort.data.Subset} of these,
 * or your own; {@link org.retort.data.TableDataset} provides the rows of a table, and {@link
 * org.retort.data.PackedDataset} keeps decoded images in a file. {@link
 * org.retort.data.PictureReader} reads a single picture, and {@link
 * org.retort.data.FolderInspection} reports what a folder of pictures contains. {@link
 * org.retort.data.DatasetBatches} makes batches of a data set, in random order, augmented, and
 * ahead of the step that takes them; {@link org.retort.data.Batches} is what a trainer reads.
 *
 * <p>Batches are direct buffers that {@code TrainingStep.run} takes without copying. Everything is
 * seeded: the same seed and epoch give the same batches. Only {@link org.retort.data.Augmentation}
 * and {@link org.retort.data.Table#fit} need native code.
 *
 * <p>Files may be in any {@link java.nio.file.FileSystem}, such as that of a zip file. A missing,
 * damaged or unreadable file causes a {@link org.retort.FileException}.
 */
@NullMarked
package org.retort.data;

import org.jspecify.annotations.NullMarked;
