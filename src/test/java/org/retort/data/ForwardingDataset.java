package org.retort.data;

import java.nio.FloatBuffer;

/** Another data set, but for what is overridden. */
class ForwardingDataset implements Dataset {
  private final Dataset images;

  ForwardingDataset(Dataset images) {
    this.images = images;
  }

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
  public long[] inputShape() {
    return images.inputShape();
  }

  @Override
  public int label(int index) {
    return images.label(index);
  }

  @Override
  public void read(int index, FloatBuffer image) {
    images.read(index, image);
  }
}
