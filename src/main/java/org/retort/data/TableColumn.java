package org.retort.data;

import java.util.List;

/**
 * The fitted properties of a column of features.
 *
 * @param name of the column
 * @param categories in the order of their features; none for a numeric column
 * @param mostFrequent the category that replaces a missing value; empty for a numeric column
 * @param mean of a numeric column in the training set; 0 for categories
 * @param deviation the standard deviation, likewise
 */
record TableColumn(
    String name, List<String> categories, String mostFrequent, double mean, double deviation) {
  static TableColumn ofNumbers(String name, double mean, double deviation) {
    return new TableColumn(name, List.of(), "", mean, deviation);
  }

  static TableColumn ofCategories(String name, List<String> categories, String mostFrequent) {
    return new TableColumn(name, List.copyOf(categories), mostFrequent, 0, 1);
  }

  boolean isOfNumbers() {
    return categories.isEmpty();
  }

  /** Returns the number of features. */
  int features() {
    return isOfNumbers() ? 1 : categories.size();
  }
}
