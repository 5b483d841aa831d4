package org.retort.recipes;

import java.nio.FloatBuffer;
import java.util.SplittableRandom;
import org.retort.data.Dataset;
import org.retort.data.ImageShape;

/**
 * Noise in the shape of some data, for measurements that need no images.
 *
 * @param shape of an image
 * @param classes number of classes
 * @param size number of images
 */
record NoiseDataset(ImageShape shape, int classes, int size) implements Dataset {
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
