package org.retort.recipes;

import org.jspecify.annotations.Nullable;
import org.retort.data.Dataset;
import org.retort.data.ImageShape;

/**
 * Data in the parts of an experiment.
 *
 * @param train for training
 * @param test for measuring how accurate networks are; null if there are none
 * @param credit who made the data
 */
record DataParts(Dataset train, @Nullable Dataset test, String credit) {
  static DataParts of(Dataset train, Dataset test, String credit) {
    return new DataParts(train, test, credit);
  }

  /** Returns noise of a shape, to measure what needs no images. */
  static DataParts noise(ImageShape shape, int classes, int size) {
    return new DataParts(new NoiseDataset(shape, classes, size), null, "noise");
  }

  /** Returns noise in the shape of these data. */
  DataParts noise() {
    return noise(train.shape(), train.classes(), train.size());
  }
}
