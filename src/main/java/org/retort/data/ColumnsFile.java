package org.retort.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.retort.FileException;

/** The columns file that {@link TableColumns} describes. */
final class ColumnsFile {
  private static final List<String> HEADER = List.of("item", "column", "value");
  private static final String FORMAT = "format";
  private static final String VERSION = "1";
  private static final String SEPARATOR = "separator";
  private static final String MISSING = "missing";
  private static final String MISSING_VALUES = "missing_values";
  private static final String UNKNOWN_CATEGORIES = "unknown_categories";
  private static final String CLASS = "class";
  private static final String MEAN = "mean";
  private static final String DEVIATION = "deviation";
  private static final String CATEGORY = "category";
  private static final String MOST_FREQUENT = "most_frequent";

  /** A column, as far as it has been read. */
  private static final class Column {
    private @Nullable Double mean;
    private @Nullable Double deviation;
    private final Set<String> categories = new LinkedHashSet<>();
    private @Nullable String mostFrequent;
  }

  private final CsvText text;
  private final Map<String, String> settings = new LinkedHashMap<>();
  private final Set<String> missing = new LinkedHashSet<>();
  private final Set<String> classes = new LinkedHashSet<>();
  private final Map<String, Column> columns = new LinkedHashMap<>();
  private @Nullable String label;

  ColumnsFile(CsvText text) {
    this.text = text;
  }

  /** Returns the records to write, the header first. */
  static List<List<String>> records(TableColumns columns) {
    TableOptions options = columns.options();
    List<List<String>> records = new ArrayList<>();
    records.add(HEADER);
    records.add(List.of(FORMAT, "", VERSION));
    records.add(List.of(SEPARATOR, "", String.valueOf(options.separator())));
    options.missing().forEach(marker -> records.add(List.of(MISSING, "", marker)));
    records.add(List.of(MISSING_VALUES, "", word(options.missingValues())));
    records.add(List.of(UNKNOWN_CATEGORIES, "", word(options.unknownCategories())));
    options.classes().forEach(name -> records.add(List.of(CLASS, options.label(), name)));
    for (TableColumn column : columns.columns()) {
      String name = column.name();
      if (column.isOfNumbers()) {
        records.add(List.of(MEAN, name, Double.toString(column.mean())));
        records.add(List.of(DEVIATION, name, Double.toString(column.deviation())));
      } else {
        column.categories().forEach(category -> records.add(List.of(CATEGORY, name, category)));
        records.add(List.of(MOST_FREQUENT, name, column.mostFrequent()));
      }
    }
    return records;
  }

  private static String word(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }

  TableColumns read() throws IOException {
    if (!text.next() || text.size() != HEADER.size() || !fields().equals(HEADER)) {
      throw text.damagedWhole("begin with the line item,column,value", "another line");
    }
    while (text.next()) {
      if (text.size() != HEADER.size()) {
        throw text.damaged("have 3 fields", String.valueOf(text.size()));
      }
      readItem(text.field(0), text.field(1), text.field(2));
      if (!VERSION.equals(settings.get(FORMAT))) {
        throw text.damaged(
            "be of format " + VERSION, NumberText.shown(settings.getOrDefault(FORMAT, "none")));
      }
    }
    return finished();
  }

  private List<String> fields() {
    return List.of(text.field(0), text.field(1), text.field(2));
  }

  private void readItem(String item, String column, String value) {
    switch (item) {
      case FORMAT, SEPARATOR, MISSING_VALUES, UNKNOWN_CATEGORIES -> {
        requireNew(settings.put(item, value) == null, item);
        if (item.equals(SEPARATOR) && value.length() != 1) {
          throw wrong("be one character", value);
        }
      }
      case MISSING -> requireNew(missing.add(value), value);
      case CLASS -> {
        if (label != null && !label.equals(column)) {
          throw text.damaged("have the label " + NumberText.shown(label), NumberText.shown(column));
        }
        label = column;
        requireNew(classes.add(value), value);
      }
      case MEAN -> {
        Column found = columnOf(column);
        requireNew(found.mean == null, item);
        found.mean = number(value);
      }
      case DEVIATION -> {
        Column found = columnOf(column);
        requireNew(found.deviation == null, item);
        found.deviation = number(value);
        if (found.deviation <= 0) {
          throw wrong("be positive", value);
        }
      }
      case CATEGORY -> requireNew(columnOf(column).categories.add(value), value);
      case MOST_FREQUENT -> {
        Column found = columnOf(column);
        requireNew(found.mostFrequent == null, item);
        if (!found.categories.contains(value)) {
          throw wrong("be a category of its column", value);
        }
        found.mostFrequent = value;
      }
      default -> throw text.damaged("be an item that is known", NumberText.shown(item));
    }
  }

  private Column columnOf(String name) {
    return columns.computeIfAbsent(name, unknown -> new Column());
  }

  private void requireNew(boolean isNew, String what) {
    if (!isNew) {
      throw text.damaged("not repeat one", NumberText.shown(what) + " again");
    }
  }

  private double number(String value) {
    try {
      double number = Double.parseDouble(value);
      if (Double.isFinite(number)) {
        return number;
      }
    } catch (NumberFormatException e) {
      // reported below, like one that is not finite
    }
    throw wrong("be a finite number", value);
  }

  private FileException wrong(String rule, String value) {
    return text.damaged("value", rule, NumberText.shown(value));
  }

  private TableColumns finished() {
    List<TableColumn> known = new ArrayList<>();
    columns.forEach((name, column) -> known.add(finished(name, column)));
    if (label == null || known.isEmpty()) {
      throw text.damagedWhole(
          "have a class and a column", label == null ? "no class" : "no column");
    }
    String separator = required(SEPARATOR);
    try {
      TableOptions options =
          TableOptions.of(label)
              .withSeparator(separator.charAt(0))
              .withMissing(missing.toArray(new String[0]))
              .withClasses(classes.toArray(new String[0]))
              .withMissingValues(constant(MISSING_VALUES, MissingValues.class))
              .withUnknownCategories(constant(UNKNOWN_CATEGORIES, UnknownCategories.class));
      return new TableColumns(options, known.stream());
    } catch (IllegalArgumentException e) {
      throw text.damagedWhole("have options that go together", e.getMessage());
    }
  }

  private TableColumn finished(String name, Column column) {
    boolean isOfNumbers = column.mean != null && column.deviation != null;
    boolean isOfCategories = column.mostFrequent != null;
    boolean hasNumber = column.mean != null || column.deviation != null;
    if (isOfNumbers == isOfCategories || hasNumber != column.categories.isEmpty()) {
      throw text.damagedWhole(
          "have mean and deviation, or categories and the most frequent one, of each column",
          NumberText.shown(name) + " without");
    }
    return isOfNumbers
        ? TableColumn.ofNumbers(name, column.mean, column.deviation)
        : TableColumn.ofCategories(name, List.copyOf(column.categories), column.mostFrequent);
  }

  private String required(String setting) {
    String value = settings.get(setting);
    if (value == null) {
      throw text.damagedWhole("have the item " + setting, "none");
    }
    return value;
  }

  private <E extends Enum<E>> E constant(String setting, Class<E> type) {
    String value = required(setting);
    for (E constant : type.getEnumConstants()) {
      if (word(constant).equals(value)) {
        return constant;
      }
    }
    throw text.damagedWhole("have a known word for " + setting, NumberText.shown(value));
  }
}
