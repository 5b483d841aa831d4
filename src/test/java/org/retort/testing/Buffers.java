package org.retort.testing;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;

/** Direct buffers in native byte order, ready to be read from the start. */
public final class Buffers {
  private Buffers() {}

  /** Returns normally distributed numbers. */
  public static FloatBuffer random(long seed, int count) {
    Random random = new Random(seed);
    FloatBuffer buffer = floats(count);
    for (int i = 0; i < count; i++) {
      buffer.put(i, (float) random.nextGaussian());
    }
    return buffer;
  }

  /** Returns zeros. */
  public static FloatBuffer floats(int count) {
    return allocate(count, Float.BYTES).asFloatBuffer();
  }

  /** Returns the given numbers. */
  public static LongBuffer longs(long... values) {
    return allocate(values.length, Long.BYTES).asLongBuffer().put(values).flip();
  }

  /** Copies the elements of a float32 tensor. */
  public static FloatBuffer floats(Tensor tensor) {
    return copy(tensor).asFloatBuffer();
  }

  /** Copies the elements of an int64 tensor. */
  public static LongBuffer longs(Tensor tensor) {
    return copy(tensor).asLongBuffer();
  }

  private static ByteBuffer copy(Tensor tensor) {
    ByteBuffer bits = Bits.of(tensor);
    return allocate(bits.remaining(), 1).put(bits).flip().order(ByteOrder.nativeOrder());
  }

  private static ByteBuffer allocate(int count, int bytes) {
    return ByteBuffer.allocateDirect(count * bytes).order(ByteOrder.nativeOrder());
  }
}
