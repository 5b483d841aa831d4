package org.retort.data;

/** What becomes of a category that the training part of a table did not have. */
public enum UnknownCategories {
  /** The table is refused, with the category's line and column. */
  REFUSE,

  /** The category's features are all 0. */
  ZEROS
}
