package org.retort.internal;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;

/** Checks for errors that Java can detect before native code is called. */
public final class Arguments {
  private Arguments() {}

  /**
   * Requires a condition.
   *
   * @param condition what must hold
   * @param format the message, for {@link String#format}
   * @param values the values that the message shows; control characters, for example in a name, are
   *     escaped
   */
  public static void check(boolean condition, String format, Object... values) {
    if (!condition) {
      throw new IllegalArgumentException(oneLine(String.format(format, values)));
    }
  }

  private static String oneLine(String message) {
    StringBuilder line = new StringBuilder();
    message
        .chars()
        .forEach(
            letter -> {
              if (Character.isISOControl(letter)) {
                line.append(String.format("\\x%02x", letter));
              } else {
                line.append((char) letter);
              }
            });
    return line.toString();
  }

  /**
   * Requires a non-null argument.
   *
   * @param value the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @param <T> the argument's type
   * @return the argument
   */
  public static <T> T notNull(T value, String function, String argument) {
    if (value == null) {
      throw new IllegalArgumentException(function + ": " + argument + " must be given (got null)");
    }
    return value;
  }

  /**
   * Requires an array without nulls.
   *
   * @param elements the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @param <T> the elements' type
   * @return the elements, immutable
   */
  public static <T> List<T> list(T[] elements, String function, String argument) {
    return list(Arrays.asList(notNull(elements, function, argument)), function, argument);
  }

  /**
   * Requires a list without nulls.
   *
   * @param elements the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @param <T> the elements' type
   * @return the elements, immutable
   */
  public static <T> List<T> list(List<T> elements, String function, String argument) {
    notNull(elements, function, argument);
    for (int i = 0; i < elements.size(); i++) {
      notNull(elements.get(i), function, argument + "[" + i + "]");
    }
    return List.copyOf(elements);
  }

  /**
   * Requires valid numbers for normalising channels.
   *
   * @param mean the means, finite
   * @param deviation the deviations, positive and finite, as many as there are means
   * @param function the caller's name
   */
  public static void normalization(List<Double> mean, List<Double> deviation, String function) {
    check(
        mean.size() == deviation.size(),
        "%s: mean and deviation must have the same length (got %s and %s)",
        function,
        mean.size(),
        deviation.size());
    for (double value : mean) {
      check(Double.isFinite(value), "%s: mean must be finite (got %s)", function, value);
    }
    for (double value : deviation) {
      positive(value, function, "deviation");
    }
  }

  /**
   * Requires a shape of positive sizes.
   *
   * @param shape the argument
   * @param function the caller's name
   * @param argument the argument's name
   */
  public static void shape(long[] shape, String function, String argument) {
    notNull(shape, function, argument);
    check(
        shape.length > 0 && LongStream.of(shape).allMatch(size -> size > 0),
        "%s: %s must have positive sizes (got %s)",
        function,
        argument,
        Arrays.toString(shape));
  }

  /**
   * Requires a tensor that is open and defined.
   *
   * @param tensor the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @return the tensor
   */
  public static Tensor tensor(Tensor tensor, String function, String argument) {
    notNull(tensor, function, argument);
    if (tensor.isNull()) {
      throw new IllegalStateException(
          function + ": " + argument + " must be open (got a closed tensor)");
    }
    if (!tensor.defined()) {
      throw new IllegalArgumentException(
          function + ": " + argument + " must be defined (got an undefined tensor)");
    }
    return tensor;
  }

  /**
   * Requires a list of tensors that are open and defined.
   *
   * @param tensors the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @return the tensors
   */
  public static Tensor[] tensors(List<Tensor> tensors, String function, String argument) {
    Tensor[] elements = notNull(tensors, function, argument).toArray(new Tensor[0]);
    for (int i = 0; i < elements.length; i++) {
      tensor(elements[i], function, argument + "[" + i + "]");
    }
    return elements;
  }

  /**
   * Requires a number that is positive and finite.
   *
   * @param value the argument
   * @param function the caller's name
   * @param argument the argument's name
   */
  public static void positive(double value, String function, String argument) {
    check(
        value > 0 && Double.isFinite(value),
        "%s: %s must be positive and finite (got %s)",
        function,
        argument,
        value);
  }

  /**
   * Requires a number that is at least 0 and finite.
   *
   * @param value the argument
   * @param function the caller's name
   * @param argument the argument's name
   */
  public static void notNegative(double value, String function, String argument) {
    check(
        value >= 0 && Double.isFinite(value),
        "%s: %s must be at least 0 and finite (got %s)",
        function,
        argument,
        value);
  }

  /**
   * Requires a number that is at least a minimum.
   *
   * @param value the argument
   * @param minimum the smallest allowed value
   * @param function the caller's name
   * @param argument the argument's name
   */
  public static void atLeast(long value, long minimum, String function, String argument) {
    if (value < minimum) { // not check(), whose array would be garbage
      throw new IllegalArgumentException(
          function + ": " + argument + " must be at least " + minimum + " (got " + value + ")");
    }
  }

  /**
   * Requires a number to be within a range.
   *
   * @param value the argument
   * @param low the smallest allowed value
   * @param high the largest allowed value
   * @param function the caller's name
   * @param argument the argument's name
   */
  public static void between(long value, long low, long high, String function, String argument) {
    if (value < low || value > high) { // not check(), whose array would be garbage
      throw new IllegalArgumentException(
          function
              + ": "
              + argument
              + " must be between "
              + low
              + " and "
              + high
              + " (got "
              + value
              + ")");
    }
  }

  /**
   * Requires a tensor that is open and defined, or null.
   *
   * @param tensor the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @return the tensor
   */
  public static Tensor optional(Tensor tensor, String function, String argument) {
    return tensor == null ? null : tensor(tensor, function, argument);
  }

  /**
   * Requires a direct buffer of a whole number of samples.
   *
   * @param images the argument
   * @param function the caller's name
   * @param sampleSize the number of elements per sample
   * @return the number of samples
   */
  public static long batch(FloatBuffer images, String function, long sampleSize) {
    notNull(images, function, "images");
    direct(images, function, "images");
    nativeOrder(images.order(), function, "images");
    return batch(images.remaining(), function, sampleSize);
  }

  /**
   * Requires a direct buffer of a whole number of samples.
   *
   * @param images the argument, in any byte order
   * @param function the caller's name
   * @param sampleSize the number of elements per sample
   * @return the number of samples
   */
  public static long batch(ByteBuffer images, String function, long sampleSize) {
    notNull(images, function, "images");
    direct(images, function, "images");
    return batch(images.remaining(), function, sampleSize);
  }

  /**
   * Requires a direct buffer with the same number of values for each sample.
   *
   * @param numbers the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @param batch the number of samples
   */
  public static void perSample(FloatBuffer numbers, String function, String argument, long batch) {
    direct(numbers, function, argument);
    nativeOrder(numbers.order(), function, argument);
    check(
        batch > 0 && numbers.remaining() > 0 && numbers.remaining() % batch == 0,
        "%s: %s must hold a positive multiple of %s elements (got %s)",
        function,
        argument,
        batch,
        numbers.remaining());
  }

  /**
   * Returns the number of rows per sample, if it is the same for each.
   *
   * @param rows the number of rows
   * @param batch the number of samples
   * @return at least 1
   */
  public static long contrastWidth(long rows, long batch) {
    return batch == 0 ? 1 : Math.max(1, rows / batch);
  }

  /**
   * Requires a whole number of samples.
   *
   * @param elements the number of elements of the images
   * @param function the caller's name
   * @param sampleSize the number of elements per sample
   * @return the number of samples
   */
  public static long batch(long elements, String function, long sampleSize) {
    if (elements == 0 || elements % sampleSize != 0) { // not check(), whose array would be garbage
      throw new IllegalArgumentException(
          function
              + ": images must hold a positive multiple of "
              + sampleSize
              + " elements (got "
              + elements
              + ")");
    }
    return elements / sampleSize;
  }

  /**
   * Requires a direct buffer of a given size, or null.
   *
   * @param rows the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @param size the number of elements it must have
   */
  public static void rows(LongBuffer rows, String function, String argument, long size) {
    if (rows != null) {
      direct(rows, function, argument);
      nativeOrder(rows.order(), function, argument);
      size(rows.remaining(), function, argument, size);
    }
  }

  /**
   * Requires a direct buffer of a given size.
   *
   * @param numbers the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @param size the number of elements it must have
   */
  public static void numbers(FloatBuffer numbers, String function, String argument, long size) {
    direct(numbers, function, argument);
    nativeOrder(numbers.order(), function, argument);
    size(numbers.remaining(), function, argument, size);
  }

  /**
   * Requires a direct buffer of a given size that can be written.
   *
   * @param numbers the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @param size the number of elements it must have
   */
  public static void writable(FloatBuffer numbers, String function, String argument, long size) {
    notNull(numbers, function, argument);
    direct(numbers, function, argument);
    nativeOrder(numbers.order(), function, argument);
    if (numbers.isReadOnly()) {
      throw new IllegalArgumentException(
          function + ": " + argument + " must be writable (got a read-only buffer)");
    }
    size(numbers.remaining(), function, argument, size);
  }

  /**
   * Requires an array of a given size, or null.
   *
   * @param rows the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @param size the number of elements it must have
   */
  public static void rows(long[] rows, String function, String argument, long size) {
    if (rows != null) {
      size(rows.length, function, argument, size);
    }
  }

  private static void size(long elements, String function, String argument, long size) {
    if (elements != size) {
      throw new IllegalArgumentException(
          function + ": " + argument + " must hold " + size + " elements (got " + elements + ")");
    }
  }

  private static void direct(Buffer buffer, String function, String argument) {
    if (!buffer.isDirect()) {
      throw new IllegalArgumentException(
          function + ": " + argument + " must be a direct buffer (got one on the heap)");
    }
  }

  private static void nativeOrder(ByteOrder order, String function, String argument) {
    if (order != ByteOrder.nativeOrder()) {
      throw new IllegalArgumentException(
          function + ": " + argument + " must have the native byte order (got " + order + ")");
    }
  }
}
