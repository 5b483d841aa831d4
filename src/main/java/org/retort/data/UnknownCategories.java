package org.retort.data;

/** The treatment of categories that are not in the training set of a table. */
public enum UnknownCategories {
  /** The table is rejected with an error that names the category's line and column. */
  REFUSE,

  /** The category's features are all 0. */
  ZEROS
}
