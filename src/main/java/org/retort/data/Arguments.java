package org.retort.data;

/** Checks of arguments, with messages of the agreed form. */
final class Arguments {
  private Arguments() {}

  /** Throws unless {@code low <= value <= high}; {@code name} is {@code Class.method: argument}. */
  static void requireBetween(String name, long value, long low, long high) {
    if (value < low || value > high) {
      throw new IllegalArgumentException(
          name + " must be between " + low + " and " + high + " (got " + value + ")");
    }
  }

  /** Throws unless {@code value >= low}; {@code name} is {@code Class.method: argument}. */
  static void requireAtLeast(String name, long value, long low) {
    if (value < low) {
      throw new IllegalArgumentException(
          name + " must be at least " + low + " (got " + value + ")");
    }
  }

  /** Throws unless {@code value} is given; {@code name} is {@code Class.method: argument}. */
  static void requireGiven(String name, Object value) {
    if (value == null) {
      throw new IllegalArgumentException(name + " must be given (got null)");
    }
  }
}
