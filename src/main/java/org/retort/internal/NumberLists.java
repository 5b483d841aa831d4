package org.retort.internal;

import java.util.List;
import org.bytedeco.pytorch.DoubleVector;
import org.bytedeco.pytorch.LongVector;

/** Converts lists of numbers. */
public final class NumberLists {
  private NumberLists() {}

  /**
   * Copies a list.
   *
   * @param values its elements
   * @return a new vector, which the caller closes
   */
  public static LongVector longs(List<Long> values) {
    return new LongVector(values.stream().mapToLong(Long::longValue).toArray());
  }

  /**
   * Copies a list.
   *
   * @param values its elements
   * @return a new vector, which the caller closes
   */
  public static DoubleVector doubles(List<Double> values) {
    return new DoubleVector(values.stream().mapToDouble(Double::doubleValue).toArray());
  }
}
