package org.retort.train;

import java.util.List;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.StringVector;

/** Converts lists of strings. */
final class Strings {
  private Strings() {}

  /** Hands over a native list, which must be copied at once. */
  static void give(List<String> strings, Consumer<StringVector> setter) {
    try (StringVector vector = new StringVector(strings.toArray(new String[0]))) {
      setter.accept(vector);
    }
  }

  static List<String> toList(StringVector vector) {
    return LongStream.range(0, vector.size()).mapToObj(i -> element(vector, i)).toList();
  }

  private static String element(StringVector vector, long i) {
    try (BytePointer copy = vector.get(i)) {
      return copy.getString();
    }
  }
}
