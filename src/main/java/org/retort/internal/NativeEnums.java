package org.retort.internal;

/** Maps the constants of public enums to those of generated ones, by their names. */
public final class NativeEnums {
  private NativeEnums() {}

  /**
   * Returns the constant of the same name: {@code BATCH_MEAN} is {@code kBatchMean}.
   *
   * @param constant a constant of a public enum
   * @param generated the generated enum
   * @param <N> the generated enum
   * @return its constant
   */
  public static <N extends Enum<N>> N of(Enum<?> constant, Class<N> generated) {
    for (N candidate : generated.getEnumConstants()) {
      if (areSame(constant, candidate)) {
        return candidate;
      }
    }
    throw new AssertionError(generated + " has no constant " + constant);
  }

  /**
   * Returns the public constant of the same name: {@code kBatchMean} is {@code BATCH_MEAN}.
   *
   * @param constant a constant of a generated enum
   * @param type the public enum
   * @param <E> the public enum
   * @return its constant
   */
  public static <E extends Enum<E>> E from(Enum<?> constant, Class<E> type) {
    for (E candidate : type.getEnumConstants()) {
      if (areSame(candidate, constant)) {
        return candidate;
      }
    }
    throw new AssertionError(type + " has no constant " + constant);
  }

  private static boolean areSame(Enum<?> constant, Enum<?> generated) {
    return generated.name().equalsIgnoreCase("k" + constant.name().replace("_", ""));
  }
}
