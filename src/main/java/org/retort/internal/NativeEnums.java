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
    String name = "k" + constant.name().replace("_", "");
    for (N candidate : generated.getEnumConstants()) {
      if (candidate.name().equalsIgnoreCase(name)) {
        return candidate;
      }
    }
    throw new AssertionError(generated + " has no constant " + name);
  }
}
