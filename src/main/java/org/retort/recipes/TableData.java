package org.retort.recipes;

import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.IntStream;
import org.retort.data.Dataset;
import org.retort.data.MissingValues;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.data.TableDataset;
import org.retort.data.TableOptions;
import org.retort.data.UnknownCategories;

/**
 * Rows of a table: {@code csv}, a file, with the name of the {@code label} column, and a file
 * {@code test} or a share for {@code validation}. Other keys are {@code columns} or {@code ignore},
 * {@code numbers} and {@code categories} where the values are ambiguous, {@code missing} texts,
 * {@code missing_values: refuse | mean | skip_row}, {@code unknown_categories: refuse | zeros} and
 * {@code separator}.
 *
 * @param options how the files are read
 * @param test the test part, if it is a separate file
 */
record TableData(TableOptions options, Optional<Path> test) {
  /** Returns the default options for reading tables where missing values are tolerated. */
  static TableOptions options(String label) {
    return TableOptions.of(label).withMissingValues(MissingValues.MEAN);
  }

  /** Reads the keys that say how tables are read. */
  static TableData read(Fields fields) {
    TableOptions options = TableOptions.of(fields.text("label"));
    options = texts(fields, "columns", options, TableOptions::withColumns);
    options = texts(fields, "ignore", options, TableOptions::withIgnored);
    options = texts(fields, "numbers", options, TableOptions::withNumbers);
    options = texts(fields, "categories", options, TableOptions::withCategories);
    options = texts(fields, "missing", options, TableOptions::withMissing);
    options =
        fields.choice(
            "missing_values", options, MissingValues.class, TableOptions::withMissingValues);
    options =
        fields.choice(
            "unknown_categories",
            options,
            UnknownCategories.class,
            TableOptions::withUnknownCategories);
    return new TableData(
        withSeparator(fields, options),
        fields.has("test") ? Optional.of(fields.path("test")) : Optional.empty());
  }

  /** Sets an option to a list of texts. */
  private interface Setter {
    TableOptions set(TableOptions options, String... texts);
  }

  private static TableOptions texts(
      Fields fields, String key, TableOptions options, Setter setter) {
    return fields.has(key)
        ? fields.checked(key, () -> setter.set(options, fields.texts(key).toArray(String[]::new)))
        : options;
  }

  private static TableOptions withSeparator(Fields fields, TableOptions options) {
    if (!fields.has("separator")) {
      return options;
    }
    String text = fields.raw("separator");
    if (text.length() != 1) {
      throw fields.wrong("separator", "be one character", text);
    }
    return fields.checked("separator", () -> options.withSeparator(text.charAt(0)));
  }

  /** Reads the files. */
  DataParts open(Path file, Validation validation) {
    Table table = Table.read(file, options);
    String credit = String.valueOf(file);
    if (test.isPresent()) {
      validation.requireNone();
      TableColumns columns = table.fit();
      Dataset train = TableDataset.of(table, columns);
      return DataParts.of(train, TableDataset.open(test.get(), columns), credit)
          .withColumns(columns);
    }
    int[] labels = IntStream.range(0, table.size()).map(table::label).toArray();
    return DataParts.ofRows(table, validation.positions(labels, table.classNames().size()), credit);
  }
}
