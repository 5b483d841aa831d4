package org.retort.data;

import static org.retort.internal.Arguments.check;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.retort.FileException;
import org.retort.internal.Arguments;
import org.retort.internal.NativeFiles;
import org.retort.internal.Shown;

/**
 * The properties of a {@link Table}'s columns, fitted on its training set: the classes, which
 * columns are numeric and which categorical, what replaces a missing value, and the mean and
 * standard deviation of each feature. They turn rows of the table, of other files and of programs
 * into features in the same way.
 *
 * <p>A feature is the number itself, or 1 for the category of a row and 0 for the others.
 * Standardising is the network's task: passed to a training step, {@link #mean} and {@link
 * #deviation} become part of the network and are saved in its files.
 *
 * <pre>{@code
 * TrainingStep.builder(student, teacher)
 *     .preprocessing(
 *         Preprocessing.of(columns.features())
 *             .withNormalization(columns.mean(), columns.deviation()));
 * }</pre>
 *
 * <p>They are stored next to a network as {@code columns.csv}, a CSV file with the columns {@code
 * item}, {@code column} and {@code value}, and one row for each of
 *
 * <table>
 * <caption>Items, in this order</caption>
 * <tr><th>item</th><th>column</th><th>value</th></tr>
 * <tr><td>{@code format}</td><td></td><td>1</td></tr>
 * <tr><td>{@code separator}</td><td></td><td>the character between fields of a table</td></tr>
 * <tr><td>{@code missing}</td><td></td><td>a text that stands for a missing value; any number of
 * rows</td></tr>
 * <tr><td>{@code missing_values}</td><td></td><td>{@code refuse}, {@code mean} or {@code
 * skip_row}</td></tr>
 * <tr><td>{@code unknown_categories}</td><td></td><td>{@code refuse} or {@code zeros}</td></tr>
 * <tr><td>{@code class}</td><td>the label</td><td>the name of a class, a row for each in their
 * order</td></tr>
 * <tr><td>{@code mean}</td><td>a numeric one</td><td>its mean, which stands for a missing
 * value</td></tr>
 * <tr><td>{@code deviation}</td><td>the same</td><td>its standard deviation</td></tr>
 * <tr><td>{@code category}</td><td>a categorical one</td><td>a category, a row for each in their
 * order</td></tr>
 * <tr><td>{@code most_frequent}</td><td>the same</td><td>the one that stands for a missing
 * value</td></tr>
 * </table>
 *
 * <p>Columns are in the order of their features. Numbers are exact: what is read equals what was
 * written. Files and streams require {@code org.apache.commons:commons-csv} on the class path.
 *
 * <p>Immutable; any number of threads may share an instance.
 */
public final class TableColumns {
  private static final String NAME = "TableColumns";

  private final TableOptions options;
  private final List<TableColumn> columns;
  private final Map<String, Integer> classes;
  private final List<Map<String, Integer>> categories; // none for numeric columns
  private final int features;

  /** Creates the columns from options that name all classes, but need not name the columns. */
  TableColumns(TableOptions options, Stream<TableColumn> columns) {
    this.columns = columns.toList();
    this.options =
        options
            .withIgnored()
            .withNumbers()
            .withCategories()
            .withColumns(names(column -> true))
            .withNumbers(names(TableColumn::isOfNumbers))
            .withCategories(names(column -> !column.isOfNumbers()));
    classes = Table.numbered(options.classes());
    categories = this.columns.stream().map(column -> Table.numbered(column.categories())).toList();
    features = this.columns.stream().mapToInt(TableColumn::features).sum();
  }

  private String[] names(Predicate<TableColumn> which) {
    return columns.stream().filter(which).map(TableColumn::name).toArray(String[]::new);
  }

  /**
   * Returns the options for reading tables with these columns.
   *
   * @return options that name the label, every column as numeric or categorical, and every class
   */
  public TableOptions options() {
    return options;
  }

  /**
   * Returns the name of the label column.
   *
   * @return the name
   */
  public String label() {
    return options.label();
  }

  /**
   * Returns the names of the classes.
   *
   * @return one for each class, in their order. Immutable.
   */
  public List<String> classNames() {
    return options.classes();
  }

  /**
   * Returns the names of the feature columns.
   *
   * @return at least one, in the order of their features. Immutable.
   */
  public List<String> names() {
    return options.columns();
  }

  /**
   * Returns the categories of a column.
   *
   * @param column one of {@link #names}
   * @return a name for each of the column's features; empty if it is numeric. Immutable.
   * @throws IllegalArgumentException if the column is null or there is none with that name
   */
  public List<String> categories(String column) {
    String function = NAME + ".categories";
    Arguments.notNull(column, function, "column");
    int index = names().indexOf(column);
    check(index >= 0, "%s: column must be one of %s (got %s)", function, names(), column);
    return columns.get(index).categories();
  }

  /**
   * Returns the number of features of a row.
   *
   * @return one for each numeric column and each category, at least 1
   */
  public int features() {
    return features;
  }

  /**
   * Returns the names of the features.
   *
   * @return one for each, for example {@code age} or {@code colour=red}. Immutable.
   */
  public List<String> featureNames() {
    return columns.stream()
        .flatMap(
            column ->
                column.isOfNumbers()
                    ? Stream.of(column.name())
                    : column.categories().stream().map(name -> column.name() + "=" + name))
        .toList();
  }

  /**
   * Returns the mean of each feature in the training set.
   *
   * @return a new array, [features]: the mean of the values present, 0 for a category
   */
  public double[] mean() {
    return columns.stream()
        .flatMapToDouble(column -> DoubleStream.generate(column::mean).limit(column.features()))
        .toArray();
  }

  /**
   * Returns the standard deviation of each feature in the training set.
   *
   * @return a new array, [features]: that of the values present, the root of their mean squared
   *     difference from their mean; 1 for a category, for a constant, and where it is below
   *     float32's smallest normal number
   */
  public double[] deviation() {
    return columns.stream()
        .flatMapToDouble(
            column -> DoubleStream.generate(column::deviation).limit(column.features()))
        .toArray();
  }

  /**
   * Computes the features of one row, for prediction.
   *
   * @param values the values by column name, as they would be in a file; null is also a missing
   *     value, and other columns are ignored
   * @return a new array, [features]
   * @throws IllegalArgumentException if the values are null or lack a column, a value is missing
   *     and is not to be replaced by the mean or most frequent one, a numeric value is not a
   *     number, infinite or out of float32's range, or a category is unknown and its features are
   *     not to be 0
   */
  public float[] row(Map<String, @Nullable String> values) {
    String function = NAME + ".row";
    Arguments.notNull(values, function, "values");
    float[] row = new float[features];
    int at = 0;
    for (int i = 0; i < columns.size(); i++) {
      TableColumn column = columns.get(i);
      String name = NumberText.shown(column.name());
      String value = values.get(column.name());
      check(
          value != null || values.containsKey(column.name()),
          "%s: values must have the column %s (got none)",
          function,
          name);
      boolean isMissing =
          value == null
              || options.missing().contains(value)
              || options.missing().contains(value.strip());
      check(
          !isMissing || options.missingValues() == MissingValues.MEAN,
          "%s: %s must not be missing (got %s)",
          function,
          name,
          value == null ? "null" : NumberText.shown(value));
      if (column.isOfNumbers()) {
        row[at] = isMissing ? (float) column.mean() : number(function, name, value);
      } else {
        int category = category(function, i, isMissing ? column.mostFrequent() : value);
        if (category >= 0) {
          row[at + category] = 1;
        }
      }
      at += column.features();
    }
    return row;
  }

  private static float number(String function, String name, String text) {
    float value = NumberText.value(text);
    check(
        Float.isFinite(value),
        "%s: %s must %s (got %s)",
        function,
        name,
        Cells.ruleOfNumbers(value),
        NumberText.shown(text));
    return value;
  }

  private int category(String function, int column, String text) {
    int exact = category(column, text); // of a quoted field, which may have spaces
    int category = exact < 0 ? category(column, text.strip()) : exact;
    check(
        category >= 0 || options.unknownCategories() == UnknownCategories.ZEROS,
        "%s: %s must be a category of the training part (got %s)",
        function,
        NumberText.shown(columns.get(column).name()),
        NumberText.shown(text));
    return category;
  }

  /** Returns the number of a category of a column, which is given by index, or -1. */
  int category(int column, String text) {
    return categories.get(column).getOrDefault(text, -1);
  }

  /** Returns the number of a class, or -1. */
  int label(String name) {
    return classes.getOrDefault(name, -1);
  }

  List<TableColumn> columns() {
    return columns;
  }

  /**
   * Writes a file, which ends up complete or unchanged.
   *
   * @param file the file to write, for example {@code columns.csv}
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if commons-csv is not on the class path
   * @throws FileException if the file can't be written
   */
  public void write(Path file) {
    String function = NAME + ".write";
    Arguments.notNull(file, function, "file");
    NativeFiles.saveContent(function, file, content(function));
  }

  /**
   * Writes to a stream.
   *
   * @param stream the stream to write to, flushed but not closed
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if commons-csv is not on the class path
   * @throws FileException if the stream throws an {@link IOException}
   */
  public void write(OutputStream stream) {
    String function = NAME + ".write";
    Arguments.notNull(stream, function, "stream");
    byte[] content = content(function);
    try {
      stream.write(content);
      stream.flush();
    } catch (IOException e) {
      throw new FileException(
          function + ": stream must be one that can be written (got " + e + ")", e);
    }
  }

  private byte[] content(String function) {
    CsvLibrary.require(function);
    return CsvText.write(ColumnsFile.records(this)).getBytes(StandardCharsets.UTF_8);
  }

  /**
   * Reads a file written by {@link #write(Path)}.
   *
   * @param file the file to read
   * @return the columns
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if commons-csv is not on the class path
   * @throws FileException if the file is missing, can't be read or is not a file of columns; the
   *     message names the line
   */
  public static TableColumns read(Path file) {
    String function = NAME + ".read";
    return NativeFiles.loadContent(
        function, file, content -> read(function, file.toString(), content));
  }

  /**
   * Reads what {@link #write(OutputStream)} wrote.
   *
   * @param stream the stream, read to its end but not closed
   * @return the columns
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if commons-csv is not on the class path
   * @throws FileException if the stream throws an {@link IOException}, or its content is not
   *     columns; the message names the line
   */
  public static TableColumns read(InputStream stream) {
    String function = NAME + ".read";
    return read(function, "the stream", NativeFiles.bytes(function, stream));
  }

  private static TableColumns read(String function, String name, byte[] content) {
    CsvLibrary.require(function);
    try (CsvText text =
        new CsvText(function, name, new ByteArrayInputStream(content), ',', false)) {
      return new ColumnsFile(text).read();
    } catch (IOException e) {
      throw new FileException(
          function + ": " + name + " must be readable (got " + e.getMessage() + ")", e);
    }
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof TableColumns columnsOfOther
        && options.equals(columnsOfOther.options)
        && columns.equals(columnsOfOther.columns);
  }

  @Override
  public int hashCode() {
    return 31 * options.hashCode() + columns.hashCode();
  }

  /** Returns the label, the number of classes and the column names, or the first of many. */
  @Override
  public String toString() {
    return NAME
        + "[label="
        + label()
        + ", classes="
        + classNames().size()
        + ", features="
        + features
        + ", columns="
        + Shown.list(names(), 10)
        + "]";
  }
}
