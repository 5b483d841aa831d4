package org.retort.data;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import org.retort.internal.Arguments;

/** Converts the bytes of a file to values from 0 to 1. */
final class BytePixels {
  private final float[] values = new float[256];

  /** Maps a byte of {@code maxPixelValue} to 1. */
  BytePixels(int maxPixelValue) {
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) i / maxPixelValue;
    }
  }

  /** Returns the value of a byte. */
  float value(byte pixel) {
    return values[pixel & 0xff];
  }

  /** Appends the values of {@code count} bytes from {@code offset} on. */
  void append(ByteBuffer bytes, int offset, int count, FloatBuffer image) {
    requireRoom(image, count);
    for (int i = 0; i < count; i++) {
      image.put(value(bytes.get(offset + i)));
    }
  }

  /** Appends the values of all of {@code bytes}. */
  void append(byte[] bytes, FloatBuffer image) {
    requireRoom(image, bytes.length);
    for (byte pixel : bytes) {
      image.put(value(pixel));
    }
  }

  /** Throws unless {@code image} can be written and has room for {@code count} values. */
  static void requireRoom(FloatBuffer image, int count) {
    Arguments.notNull(image, "Dataset.read", "image");
    if (image.isReadOnly()) {
      throw new IllegalArgumentException(
          "Dataset.read: image must be writable (got a read-only buffer)");
    }
    Arguments.atLeast(image.remaining(), count, "Dataset.read", "image.remaining()");
  }
}
