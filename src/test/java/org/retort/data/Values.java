package org.retort.data;

import java.nio.FloatBuffer;

/** What tests read from data sets. */
final class Values {
  private Values() {}

  /** The values of an image; the buffer is not at its start, and has room left. */
  static float[] of(Dataset dataset, int index) {
    int count = dataset.shape().values();
    FloatBuffer buffer = FloatBuffer.allocate(count + 5).position(2);
    dataset.read(index, buffer);
    if (buffer.position() != 2 + count) {
      throw new AssertionError("position " + buffer.position() + " after " + count + " values");
    }
    float[] values = new float[count];
    buffer.flip().position(2).get(values);
    return values;
  }
}
