package org.retort.data;

import static org.retort.internal.Arguments.check;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.retort.internal.Arguments;

/**
 * Options for how the text of a {@link Table} is read and what its columns are.
 *
 * <p>A column whose values in the training set are all numbers is numeric: decimal numbers with a
 * point, such as {@code -1.5e3}, which become float32. Every other column is categorical; each
 * category becomes a feature that is 1 in its rows and 0 in the others.
 *
 * @param label the name of the label column
 * @param separator the character between fields; a comma by default
 * @param missing the texts that stand for a missing value; by default an empty field, {@code NA},
 *     {@code N/A}, {@code NaN}, {@code nan}, {@code NULL}, {@code null} and {@code ?}
 * @param columns the names of the columns to use, in the order of their features; if empty, all but
 *     the label
 * @param ignored the names of the columns not to use
 * @param numbers the names of the columns whose values must be numbers
 * @param categories the names of the columns whose values are categories even if they are numbers,
 *     such as postal codes
 * @param classes the names of the classes in their order; if empty, all labels of the table, sorted
 *     by value if all are numbers, otherwise as text
 * @param missingValues the treatment of missing values; they are rejected by default
 * @param unknownCategories the treatment of categories that are not in the training set; they are
 *     rejected by default
 */
public record TableOptions(
    String label,
    char separator,
    List<String> missing,
    List<String> columns,
    List<String> ignored,
    List<String> numbers,
    List<String> categories,
    List<String> classes,
    MissingValues missingValues,
    UnknownCategories unknownCategories) {
  private static final String NAME = "TableOptions";
  private static final List<String> MISSING =
      List.of("", "NA", "N/A", "NaN", "nan", "NULL", "null", "?");

  /**
   * Creates options.
   *
   * @param label as above
   * @param separator as above
   * @param missing as above
   * @param columns as above
   * @param ignored as above
   * @param numbers as above
   * @param categories as above
   * @param classes as above
   * @param missingValues as above
   * @param unknownCategories as above
   * @throws IllegalArgumentException if an argument or an element is null, the separator is a
   *     quote, a line break or a byte order mark, a list repeats a name, the label column is one of
   *     the others, or a column is both numeric and categorical
   */
  public TableOptions {
    Arguments.notNull(label, NAME, "label");
    check(
        separator != '"' && separator != '\r' && separator != '\n' && separator != '\ufeff',
        "%s: separator must not be a quote, a line break or a byte order mark (got %s)",
        NAME,
        separator);
    missing = distinct(missing, "missing");
    columns = names(columns, label, "columns");
    ignored = names(ignored, label, "ignored");
    numbers = names(numbers, label, "numbers");
    categories = names(categories, label, "categories");
    classes = distinct(classes, "classes");
    Arguments.notNull(missingValues, NAME, "missingValues");
    Arguments.notNull(unknownCategories, NAME, "unknownCategories");
    for (String name : numbers) {
      check(
          !categories.contains(name),
          "%s: numbers must not be categories, too (got %s)",
          NAME,
          NumberText.shown(name));
    }
  }

  private static List<String> names(List<String> names, String label, String argument) {
    List<String> checked = distinct(names, argument);
    check(
        !checked.contains(label),
        "%s: %s must not have the label's column (got %s)",
        NAME,
        argument,
        NumberText.shown(label));
    return checked;
  }

  private static List<String> distinct(List<String> elements, String argument) {
    List<String> checked = Arguments.list(elements, NAME, argument);
    Set<String> known = new HashSet<>();
    for (String element : checked) {
      check(
          known.add(element),
          "%s: %s must not repeat one (got %s twice)",
          NAME,
          argument,
          NumberText.shown(element));
    }
    return checked;
  }

  /**
   * Returns the defaults, with every column but the label's.
   *
   * @param label the name of the label column
   * @return the options
   * @throws IllegalArgumentException if it is null
   */
  public static TableOptions of(String label) {
    return new TableOptions(
        label,
        ',',
        MISSING,
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        MissingValues.REFUSE,
        UnknownCategories.REFUSE);
  }

  /**
   * Sets the character between fields.
   *
   * @param separator for example {@code ';'} or {@code '\t'}
   * @return a changed copy
   * @throws IllegalArgumentException if it is a quote, a line break or a byte order mark
   */
  public TableOptions withSeparator(char separator) {
    return new TableOptions(
        label,
        separator,
        missing,
        columns,
        ignored,
        numbers,
        categories,
        classes,
        missingValues,
        unknownCategories);
  }

  /**
   * Sets the texts that stand for a missing value.
   *
   * @param missing all such texts; none if every text is a value
   * @return a changed copy
   * @throws IllegalArgumentException if one is null or appears twice
   */
  public TableOptions withMissing(String... missing) {
    return new TableOptions(
        label,
        separator,
        Arguments.list(missing, NAME, "missing"),
        columns,
        ignored,
        numbers,
        categories,
        classes,
        missingValues,
        unknownCategories);
  }

  /**
   * Sets the columns to use.
   *
   * @param columns their names, in the order of their features; none for all but the label
   * @return a changed copy
   * @throws IllegalArgumentException if one is null, appears twice or is the label's
   */
  public TableOptions withColumns(String... columns) {
    return new TableOptions(
        label,
        separator,
        missing,
        Arguments.list(columns, NAME, "columns"),
        ignored,
        numbers,
        categories,
        classes,
        missingValues,
        unknownCategories);
  }

  /**
   * Sets the columns not to use, for example one that only numbers the rows.
   *
   * @param ignored their names
   * @return a changed copy
   * @throws IllegalArgumentException if one is null, appears twice or is the label's
   */
  public TableOptions withIgnored(String... ignored) {
    return new TableOptions(
        label,
        separator,
        missing,
        columns,
        Arguments.list(ignored, NAME, "ignored"),
        numbers,
        categories,
        classes,
        missingValues,
        unknownCategories);
  }

  /**
   * Sets the columns that must be numeric, so that any other text is rejected with its line.
   *
   * @param numbers their names
   * @return a changed copy
   * @throws IllegalArgumentException if one is null, appears twice, is the label's or is
   *     categorical
   */
  public TableOptions withNumbers(String... numbers) {
    return new TableOptions(
        label,
        separator,
        missing,
        columns,
        ignored,
        Arguments.list(numbers, NAME, "numbers"),
        categories,
        classes,
        missingValues,
        unknownCategories);
  }

  /**
   * Sets the columns that are categorical, whatever their values look like.
   *
   * @param categories their names
   * @return a changed copy
   * @throws IllegalArgumentException if one is null, appears twice, is the label's or is numeric
   */
  public TableOptions withCategories(String... categories) {
    return new TableOptions(
        label,
        separator,
        missing,
        columns,
        ignored,
        numbers,
        Arguments.list(categories, NAME, "categories"),
        classes,
        missingValues,
        unknownCategories);
  }

  /**
   * Sets the classes, for example if the table has no row of one of them.
   *
   * @param classes their names in their order; none for those of the table
   * @return a changed copy
   * @throws IllegalArgumentException if one is null or appears twice
   */
  public TableOptions withClasses(String... classes) {
    return new TableOptions(
        label,
        separator,
        missing,
        columns,
        ignored,
        numbers,
        categories,
        Arguments.list(classes, NAME, "classes"),
        missingValues,
        unknownCategories);
  }

  /**
   * Sets the treatment of missing values.
   *
   * @param missingValues the rule
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public TableOptions withMissingValues(MissingValues missingValues) {
    return new TableOptions(
        label,
        separator,
        missing,
        columns,
        ignored,
        numbers,
        categories,
        classes,
        missingValues,
        unknownCategories);
  }

  /**
   * Sets the treatment of unknown categories.
   *
   * @param unknownCategories the rule
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public TableOptions withUnknownCategories(UnknownCategories unknownCategories) {
    return new TableOptions(
        label,
        separator,
        missing,
        columns,
        ignored,
        numbers,
        categories,
        classes,
        missingValues,
        unknownCategories);
  }
}
