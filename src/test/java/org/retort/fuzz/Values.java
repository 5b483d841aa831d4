package org.retort.fuzz;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Random;
import java.util.function.DoubleSupplier;
import java.util.function.Supplier;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Random values of the types that Java has. Most are such that a call may succeed; some are what
 * nobody should pass.
 */
final class Values {
  private static final int[] INTS = {1, 2, 3, 5, 8, 10, 14};
  private static final int[] WILD_INTS = {0, -1, -7, 9, Integer.MAX_VALUE, Integer.MIN_VALUE};
  private static final long[] WILD_LONGS = {
    0, -1, -7, 9, 1L << 40, 1L << 62, Long.MAX_VALUE, Long.MIN_VALUE
  };
  private static final double[] DOUBLES = {0.1, 0.5, 0.9, 1, 2, 4};
  private static final double[] WILD_DOUBLES = {
    0,
    -0.0,
    -1,
    1e-300,
    1e300,
    Double.MIN_VALUE,
    Double.MAX_VALUE,
    Double.NaN,
    Double.POSITIVE_INFINITY,
    Double.NEGATIVE_INFINITY
  };
  private static final String[] STRINGS = {
    "layer1",
    "layer2",
    "stem",
    "embedding",
    "layer1.pre",
    "fc",
    "student.fc",
    "layer1.0.bn2",
    "layer2.0.bn2",
    "resnet8",
    "x"
  };
  private static final String[] WILD_STRINGS = {
    "", " ", ".", "nothing", "a\0b", "ü\uD83D\uDE00", "\uD800", "%s %n", "l\nm", "x".repeat(10_000)
  };

  private final Random random;
  private final double wildness;
  private final Map<Class<?>, Supplier<Object>> plain = new HashMap<>();

  /**
   * Starts a source.
   *
   * @param wildness the share of values that nobody should pass
   */
  Values(Random random, double wildness) {
    this.random = random;
    this.wildness = wildness;
    plain.put(boolean.class, random::nextBoolean);
    plain.put(char.class, () -> isWild() ? (char) random.nextInt(1 << 16) : ',');
    plain.put(int.class, this::integer);
    plain.put(long.class, this::number);
    plain.put(float.class, () -> (float) real());
    plain.put(double.class, this::real);
    plain.put(float.class, () -> (float) real());
    plain.put(Double.class, () -> orNull(this::real));
    plain.put(Long.class, () -> orNull(this::number));
    plain.put(String.class, () -> orNull(this::string));
    plain.put(Object.class, () -> orNull(this::string));
    plain.put(Throwable.class, () -> orNull(RuntimeException::new));
    plain.put(DoubleSupplier.class, () -> orNull(() -> (DoubleSupplier) this::real));
    plain.put(OptionalDouble.class, () -> orNull(() -> OptionalDouble.of(real())));
    plain.put(OptionalInt.class, () -> orNull(() -> OptionalInt.of(integer())));
    plain.put(Duration.class, () -> orNull(() -> Duration.ofNanos(number())));
    plain.put(MeterRegistry.class, () -> orNull(SimpleMeterRegistry::new));
    plain.put(Tag.class, () -> orNull(() -> Tag.of("key", string())));
    plain.put(int[].class, () -> orNull(() -> ints().toArray()));
    plain.put(long[].class, () -> orNull(() -> longs(size()).toArray()));
    plain.put(double[].class, () -> orNull(() -> doubles(size()).toArray()));
    plain.put(float[].class, () -> orNull(this::floats));
    plain.put(byte[].class, () -> orNull(() -> new byte[imageSize()]));
    plain.put(
        InputStream.class, () -> orNull(() -> new ByteArrayInputStream(new byte[imageSize()])));
    plain.put(OutputStream.class, () -> orNull(ByteArrayOutputStream::new));
    plain.put(FloatBuffer.class, () -> orNull(this::floatBuffer));
    plain.put(LongBuffer.class, () -> orNull(this::longBuffer));
    plain.put(ByteBuffer.class, () -> orNull(() -> bytes(imageSize())));
  }

  /** Returns whether this source knows a type. */
  boolean knows(Class<?> type) {
    return plain.containsKey(type) || type.isEnum();
  }

  /** Returns a value of a type that it knows. */
  Object of(Class<?> type) {
    return type.isEnum() ? orNull(() -> pick(type.getEnumConstants())) : plain.get(type).get();
  }

  /** Whether the next thing is to be one that nobody should pass. */
  boolean isWild() {
    return random.nextDouble() < wildness;
  }

  /** Returns null now and then. */
  Object orNull(Supplier<?> value) {
    return isWild() && random.nextInt(4) == 0 ? null : value.get();
  }

  <T> T pick(T[] choices) {
    return choices[random.nextInt(choices.length)];
  }

  <T> T pick(List<T> choices) {
    return choices.get(random.nextInt(choices.size()));
  }

  /** Returns a list, or null, some of whose elements may be null. */
  List<Object> list(Supplier<Object> element) {
    return Stream.generate(element).limit(isWild() ? random.nextInt(6) : 2).toList();
  }

  /** Returns an array of what {@link #list} returns. */
  Object array(Class<?> type, Supplier<Object> element) {
    List<Object> elements = list(element);
    Object array = Array.newInstance(type, elements.size());
    IntStream.range(0, elements.size()).forEach(i -> Array.set(array, i, elements.get(i)));
    return array;
  }

  /** Returns a number of elements of a tensor's dimension. */
  long dimension() {
    return isWild() ? random.nextInt(9) : 2;
  }

  private int integer() {
    return isWild()
        ? WILD_INTS[random.nextInt(WILD_INTS.length)]
        : INTS[random.nextInt(INTS.length)];
  }

  private long number() {
    return isWild() ? WILD_LONGS[random.nextInt(WILD_LONGS.length)] : integer();
  }

  /** Returns a floating point number. */
  double real() {
    return isWild()
        ? WILD_DOUBLES[random.nextInt(WILD_DOUBLES.length)]
        : DOUBLES[random.nextInt(DOUBLES.length)];
  }

  private String string() {
    return pick(isWild() ? WILD_STRINGS : STRINGS);
  }

  /** Returns a class of {@link Fixtures#CLASSES}, or none. */
  long label() {
    return isWild() ? number() : random.nextInt((int) Fixtures.CLASSES + 1) - 1;
  }

  private int size() {
    return isWild() ? random.nextInt(9) : random.nextBoolean() ? 2 : 3;
  }

  private int imageSize() {
    return (int) Fixtures.IMAGE * 2 + (isWild() ? random.nextInt(3) - 1 : 0);
  }

  private IntStream ints() {
    return random.ints(size(), 0, 300).distinct().sorted();
  }

  private LongStream longs(int size) {
    return LongStream.generate(this::label).limit(size);
  }

  private DoubleStream doubles(int size) {
    return DoubleStream.generate(this::real).limit(size);
  }

  private float[] floats() {
    float[] values = new float[imageSize()];
    Arrays.fill(values, (float) real());
    return values;
  }

  private FloatBuffer floatBuffer() {
    float[] values = floats();
    FloatBuffer buffer =
        isWild() && random.nextBoolean()
            ? FloatBuffer.allocate(values.length)
            : bytes(values.length * Float.BYTES).asFloatBuffer();
    buffer.put(values).flip();
    return isWild() ? buffer.asReadOnlyBuffer() : buffer;
  }

  private LongBuffer longBuffer() {
    long[] values = longs(isWild() ? random.nextInt(5) : 2).toArray();
    LongBuffer buffer =
        isWild() && random.nextBoolean()
            ? LongBuffer.allocate(values.length)
            : bytes(values.length * Long.BYTES).asLongBuffer();
    return buffer.put(values).flip();
  }

  private ByteBuffer bytes(int size) {
    ByteBuffer buffer = isWild() ? ByteBuffer.allocate(size) : ByteBuffer.allocateDirect(size);
    return buffer.order(isWild() ? ByteOrder.BIG_ENDIAN : ByteOrder.nativeOrder());
  }
}
