package org.retort.data;

/**
 * What becomes of a value that a table does not have. A label that is missing is always refused.
 */
public enum MissingValues {
  /** The table is refused, with the value's line and column. */
  REFUSE,

  /**
   * The value is the mean of its column in the training part; in a column of categories it is the
   * most frequent one there, of several the first in their order.
   */
  MEAN,

  /** The row is left out. */
  SKIP_ROW
}
