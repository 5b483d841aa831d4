package org.retort.internal;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.StringVector;
import org.jspecify.annotations.Nullable;

/** Converts native lists of strings, without waiting for the garbage collector to free copies. */
public final class StringLists {
  private StringLists() {}

  /**
   * Passes a native list to a setter.
   *
   * @param strings its elements
   * @param setter must copy it immediately
   */
  public static void give(List<String> strings, Consumer<StringVector> setter) {
    try (StringVector vector = toVector(strings)) {
      setter.accept(vector);
    }
  }

  /**
   * Creates a native list.
   *
   * @param strings its elements
   * @return a new list, in UTF-8, which the caller closes
   */
  public static StringVector toVector(List<String> strings) {
    StringVector vector = new StringVector(strings.size());
    for (int i = 0; i < strings.size(); i++) {
      // a String would be converted in the platform's charset
      try (BytePointer string = new BytePointer(strings.get(i), StandardCharsets.UTF_8)) {
        vector.put(i, string);
      }
    }
    return vector;
  }

  /**
   * Copies a native list.
   *
   * @param vector a list, which may be closed afterwards
   * @return its elements
   */
  public static List<String> toList(StringVector vector) {
    return LongStream.range(0, vector.size()).mapToObj(i -> take(vector.get(i))).toList();
  }

  /**
   * Reads a native string, which may hold zeros, and frees it.
   *
   * @param copy a native string in UTF-8; null, as JavaCPP returns it, for an empty one
   * @return its text
   */
  public static String text(@Nullable BytePointer copy) {
    try (copy) {
      return copy == null ? "" : StandardCharsets.UTF_8.decode(copy.asByteBuffer()).toString();
    }
  }

  /**
   * Reads a native string of any bytes, and frees it.
   *
   * @param copy a native string; null, as JavaCPP returns it, for an empty one
   * @return its bytes
   */
  public static byte[] bytes(@Nullable BytePointer copy) {
    try (copy) {
      return copy == null ? new byte[0] : copy.getStringBytes();
    }
  }

  /** Reads a native string, null for an empty one, and frees it. */
  static String take(@Nullable BytePointer copy) {
    try (copy) {
      return copy == null ? "" : copy.getString(StandardCharsets.UTF_8);
    }
  }
}
