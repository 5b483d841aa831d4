package org.retort.benchmarks;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Random;

/** Noise in direct buffers, with labels of ten classes. */
record Samples(FloatBuffer images, LongBuffer labels) {
  static final int CLASSES = 10;

  static Samples random(int batch, int elements) {
    Random random = new Random(1);
    FloatBuffer images = direct(batch * elements * Float.BYTES).asFloatBuffer();
    LongBuffer labels = direct(batch * Long.BYTES).asLongBuffer();
    for (int i = 0; i < images.capacity(); i++) {
      images.put(i, (float) random.nextGaussian());
    }
    for (int i = 0; i < batch; i++) {
      labels.put(i, random.nextInt(CLASSES));
    }
    return new Samples(images, labels);
  }

  private static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }
}
