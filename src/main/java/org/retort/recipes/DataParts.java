package org.retort.recipes;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.retort.data.Dataset;
import org.retort.data.ImageShape;
import org.retort.data.TableColumns;

/**
 * Data in the parts of an experiment.
 *
 * @param train for training
 * @param test for measuring how accurate networks are; null if there are none
 * @param shape of what networks see of an image, once it is augmented
 * @param credit who made the data
 * @param resize what the shorter side of pictures is scaled to; 0 for the smallest size that covers
 *     the shape
 * @param columns of a table, which say how its rows are normalised
 */
record DataParts(
    Dataset train,
    @Nullable Dataset test,
    ImageShape shape,
    String credit,
    int resize,
    Optional<TableColumns> columns) {
  static DataParts of(Dataset train, Dataset test, String credit) {
    return new DataParts(train, test, train.shape(), credit, 0, Optional.empty());
  }

  /** Returns noise of a shape, to measure what needs no images. */
  static DataParts noise(ImageShape shape, int classes, int size) {
    Dataset noise = new NoiseDataset(shape, classes, size);
    return new DataParts(noise, null, shape, "noise", 0, Optional.empty());
  }

  /** Returns noise in the shape of these data. */
  DataParts noise() {
    Dataset noise = new NoiseDataset(train.shape(), train.classes(), train.size());
    return new DataParts(noise, null, shape, "noise", resize, columns);
  }

  /** Returns the same as pictures whose shorter side is scaled. */
  DataParts withPictures(ImageShape other, int shorterSide) {
    return new DataParts(train, test, other, credit, shorterSide, columns);
  }

  /** Returns the same as the rows of a table. */
  DataParts withColumns(TableColumns other) {
    return new DataParts(train, test, shape, credit, resize, Optional.of(other));
  }
}
