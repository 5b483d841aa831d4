package org.retort.data;

import static org.retort.testing.Failures.assertIllegal;

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

  /** Expects that images that are not there, and buffers without room for one, are rejected. */
  static void assertOthersRejected(String name, Dataset dataset) {
    int count = dataset.shape().values();
    for (int index : new int[] {-1, dataset.size()}) {
      String rule =
          ": index must be between 0 and %s (got %s)".formatted(dataset.size() - 1, index);
      assertIllegal(() -> dataset.label(index), name + ".label" + rule);
      assertIllegal(() -> dataset.read(index, FloatBuffer.allocate(count)), name + ".read" + rule);
    }
    assertIllegal(
        () -> dataset.read(0, FloatBuffer.allocate(count - 1)),
        "Dataset.read: image.remaining() must be at least %s (got %s)".formatted(count, count - 1));
  }
}
