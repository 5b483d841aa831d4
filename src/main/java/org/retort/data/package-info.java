/**
 * Data for training. A {@link org.retort.data.Dataset} has images at indices: those of CIFAR, of
 * MNIST's format, of text files and folders, a {@link org.retort.data.Subset} of them, or one's
 * own; {@link org.retort.data.TableDataset} has the rows of a table, and {@link
 * org.retort.data.PackedDataset} keeps decoded images in a file. {@link
 * org.retort.data.PictureReader} reads one picture, and {@link org.retort.data.FolderInspection}
 * tells what a folder of them has. {@link org.retort.data.DatasetBatches} makes batches of a data
 * set, in random order, augmented, and ahead of the step that takes them; {@link
 * org.retort.data.Batches} is what a trainer reads.
 *
 * <p>Batches are direct buffers that {@code TrainingStep.run} takes without a copy. Everything is
 * seeded: the same seed and epoch give the same batches. Only {@link org.retort.data.Augmentation}
 * and {@link org.retort.data.Table#fit} need native code.
 *
 * <p>Files may be in any {@link java.nio.file.FileSystem}, such as that of a zip file. One that is
 * missing, damaged or unreadable leads to a {@link org.retort.FileException}.
 */
@NullMarked
package org.retort.data;

import org.jspecify.annotations.NullMarked;
