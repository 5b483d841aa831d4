package org.retort.recipes;

import java.nio.FloatBuffer;
import java.util.SplittableRandom;
import org.retort.data.Dataset;
import org.retort.data.ImageShape;

/**
 * Noise in the shape of some data, for measurements that need no images.
 *
 * @param shape the shape of an image
 * @param classes the number of classes
 * @param size the number of images
 * @param isTable whether networks see rows of features, as many as there are channels
 */
record NoiseDataset(ImageShape shape, int classes, int size, boolean isTable) implements Dataset {
  static NoiseDataset ofImages(ImageShape shape, int classes, int size) {
    return new NoiseDataset(shape, classes, size, false);
  }

  static NoiseDataset ofRows(int features, int classes, int size) {
    return new NoiseDataset(new ImageShape(features, 1, 1), classes, size, true);
  }

  @Override
  public long[] inputShape() {
    return isTable ? new long[] {shape.channels()} : Dataset.super.inputShape();
  }

  @Override
  public int label(int index) {
    return index % classes;
  }

  @Override
  public void read(int index, FloatBuffer image) {
    SplittableRandom random = new SplittableRandom(index);
    for (int i = 0; i < shape.values(); i++) {
      image.put((float) random.nextDouble());
    }
  }
}
