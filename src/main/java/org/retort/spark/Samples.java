package org.retort.spark;

import java.nio.BufferOverflowException;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.stream.LongStream;
import org.retort.data.Dataset;

/** Reads rows with a reader, which may be user code, and checks what it returns. */
final class Samples<T> {
  private static final String NAME = "SampleReader";

  private final SampleReader<T> reader;
  private final int values;
  private final int classes;

  Samples(SampleReader<T> reader) {
    this.reader = reader;
    long[] shape = reader.inputShape();
    classes = reader.classes();
    if (shape == null
        || shape.length != 1 && shape.length != 3
        || LongStream.of(shape).anyMatch(size -> size < 1 || size > Integer.MAX_VALUE)) {
      throw wrong(
          "inputShape: shape must be [channels, height, width] or [features] (got %s)",
          Arrays.toString(shape));
    }
    if (classes < 1) {
      throw wrong("classes: number must be at least 1 (got %s)", classes);
    }
    values = Math.toIntExact(LongStream.of(shape).reduce(1, Math::multiplyExact));
  }

  /** Returns the number of values of a sample. */
  int values() {
    return values;
  }

  /** Appends the values of a row. */
  void read(T row, FloatBuffer buffer) {
    int start = buffer.position();
    try {
      reader.read(row, buffer);
    } catch (BufferOverflowException tooMany) {
      throw wrong("read: values must be %s of each row (got more)", values);
    }
    if (buffer.position() - start != values) {
      throw wrong(
          "read: values must be %s of each row (got %s)", values, buffer.position() - start);
    }
  }

  /** Returns the class of a row. */
  int label(T row) {
    int label = reader.label(row);
    if (label != Dataset.UNLABELED && (label < 0 || label >= classes)) {
      throw wrong(
          "label: class must be between 0 and %s, or UNLABELED (got %s)", classes - 1, label);
    }
    return label;
  }

  private static IllegalArgumentException wrong(String format, Object... values) {
    return new IllegalArgumentException(NAME + "." + format.formatted(values));
  }
}
