package org.retort.data;

/** The treatment of values missing from a table. A missing label is always rejected. */
public enum MissingValues {
  /** The table is rejected with an error that names the value's line and column. */
  REFUSE,

  /**
   * The value is replaced by the mean of its column in the training set; in a categorical column,
   * by the most frequent category there, or the first of several in their order.
   */
  MEAN,

  /** The row is left out. */
  SKIP_ROW
}
