package org.retort.data;

import java.util.List;

/**
 * What is known of a column of features.
 *
 * @param name of the column
 * @param categories in the order of their features; none for a column of numbers
 * @param mostFrequent the category of a missing value; empty for a column of numbers
 * @param mean of a column of numbers in the training part; 0 for categories
 * @param deviation the same
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

  /** The number of features. */
  int features() {
    return isOfNumbers() ? 1 : categories.size();
  }
}
