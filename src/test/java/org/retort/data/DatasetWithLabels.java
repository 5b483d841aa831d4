package org.retort.data;

import java.nio.FloatBuffer;
import java.util.function.IntUnaryOperator;

/**
 * The images of another data set with other labels.
 *
 * @param images the other one
 * @param labels of each index
 */
record DatasetWithLabels(Dataset images, IntUnaryOperator labels) implements Dataset {
  @Override
  public int size() {
    return images.size();
  }

  @Override
  public int classes() {
    return images.classes();
  }

  @Override
  public ImageShape shape() {
    return images.shape();
  }

  @Override
  public int label(int index) {
    return labels.applyAsInt(index);
  }

  @Override
  public void read(int index, FloatBuffer image) {
    images.read(index, image);
  }
}
