package org.retort.data;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.retort.internal.Arguments;

/**
 * A summary of a column of a {@link Table}, over all its rows.
 *
 * @param name the column's name
 * @param kind what {@link Table#fit} will treat it as
 * @param missing the number of missing values
 * @param smallest the smallest number; NaN if the column has none or is not one of numbers
 * @param largest the largest number; NaN if the column has none or is not one of numbers
 * @param categories the number of distinct categories; 0 if the column is not one of categories
 * @param refused the number of values that {@link Table#fit} will reject: infinite numbers, those
 *     out of float32's range, and texts among too many distinct numbers
 * @param firstRefused the line of the first rejected value; 0 if there are none
 */
public record ColumnSummary(
    String name,
    Kind kind,
    int missing,
    float smallest,
    float largest,
    int categories,
    int refused,
    int firstRefused) {
  /** The kind of a column. */
  public enum Kind {
    /** All values are numbers, or must be. */
    NUMBERS,
    /** Each distinct value is a category. */
    CATEGORIES,
    /** All values are missing, which {@link Table#fit} rejects. */
    EMPTY
  }

  /**
   * Checks the values.
   *
   * @param name as above
   * @param kind as above
   * @param missing as above
   * @param smallest as above
   * @param largest as above
   * @param categories as above
   * @param refused as above
   * @param firstRefused as above
   * @throws IllegalArgumentException if the name or the kind is null
   */
  public ColumnSummary {
    Arguments.notNull(name, "ColumnSummary", "name");
    Arguments.notNull(kind, "ColumnSummary", "kind");
  }

  static ColumnSummary of(String name, Cells cells, Table table) {
    int[] present = IntStream.range(0, table.size()).filter(row -> !cells.isMissing(row)).toArray();
    int missing = table.size() - present.length;
    if (present.length == 0) {
      return new ColumnSummary(name, Kind.EMPTY, missing, Float.NaN, Float.NaN, 0, 0, 0);
    }
    if (!isOfNumbers(name, cells, present, table.options())) {
      int categories =
          (int) Arrays.stream(present).map(cells::code).distinct().count(); // all texts are known
      return new ColumnSummary(
          name, Kind.CATEGORIES, missing, Float.NaN, Float.NaN, categories, 0, 0);
    }
    return ofNumbers(name, cells, present, table);
  }

  /**
   * Returns whether a column is one of numbers; without its texts, it had too many for categories.
   */
  private static boolean isOfNumbers(
      String name, Cells cells, int[] present, TableOptions options) {
    return !cells.hasTexts()
        || !options.categories().contains(name)
            && Arrays.stream(present).noneMatch(row -> Float.isNaN(cells.number(row)));
  }

  private static ColumnSummary ofNumbers(String name, Cells cells, int[] present, Table table) {
    float smallest = Float.NaN;
    float largest = Float.NaN;
    int refused = 0;
    int firstRefused = 0;
    for (int row : present) {
      float number = cells.number(row);
      if (Float.isFinite(number)) {
        smallest = Float.isNaN(smallest) ? number : Math.min(smallest, number);
        largest = Float.isNaN(largest) ? number : Math.max(largest, number);
      } else {
        firstRefused = refused == 0 ? table.line(row) : firstRefused;
        refused++;
      }
    }
    return new ColumnSummary(
        name,
        Kind.NUMBERS,
        table.size() - present.length,
        smallest,
        largest,
        0,
        refused,
        firstRefused);
  }
}
