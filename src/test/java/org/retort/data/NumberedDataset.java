package org.retort.data;

import java.nio.FloatBuffer;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;

/** Images whose values tell their index, with the remainder modulo 7 as class. */
final class NumberedDataset implements Dataset {
  static final int CLASSES = 7;

  final AtomicInteger reads = new AtomicInteger();
  private final int size;
  private final ImageShape shape = new ImageShape(2, 3, 4);
  private final IntConsumer onRead;

  NumberedDataset(int size) {
    this(size, index -> {});
  }

  /** {@code onRead} is told of each image, on the thread that reads it. */
  NumberedDataset(int size, IntConsumer onRead) {
    this.size = size;
    this.onRead = onRead;
  }

  static float valueOf(int index, int position) {
    return (index * 24 + position) / 65536f;
  }

  static float[] valuesOf(int index) {
    float[] values = new float[24];
    for (int i = 0; i < values.length; i++) {
      values[i] = valueOf(index, i);
    }
    return values;
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public int classes() {
    return CLASSES;
  }

  @Override
  public ImageShape shape() {
    return shape;
  }

  @Override
  public int label(int index) {
    return index % CLASSES;
  }

  @Override
  public void read(int index, FloatBuffer image) {
    reads.incrementAndGet();
    onRead.accept(index);
    for (int i = 0; i < 24; i++) {
      image.put(valueOf(index, i));
    }
  }
}
