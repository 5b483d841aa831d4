package org.retort.data;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.retort.FileException;
import org.retort.internal.Arguments;

/**
 * The rows of a CSV file, some of which are the training set: {@link #fit} derives the {@link
 * TableColumns} from it, which turn the rows of this and other files into a {@link TableDataset}.
 * Requires {@code org.apache.commons:commons-csv} on the class path, which is not a dependency of
 * Retort.
 *
 * <p>The file is UTF-8, with or without a byte order mark, optionally gzip-compressed; quoting
 * follows RFC 4180, including line breaks within quotes. The first line holds the column names,
 * which must be distinct. Spaces around unquoted fields and empty lines are ignored. The file is
 * read once, row by row; each value of a column in use takes four bytes.
 *
 * <pre>{@code
 * Table table = Table.read(file, TableOptions.of("species"));
 * TableColumns columns = table.fit(trainingRows);
 * Dataset training = Subset.of(TableDataset.of(table, columns), trainingRows);
 * }</pre>
 *
 * <p>Immutable; any number of threads may share an instance.
 */
public final class Table {
  private static final String READ = "Table.read";

  /** The maximum number of categories of a column. */
  static final int MOST_CATEGORIES = 1 << 14;

  private static final int MOST_CLASSES = 1 << 16;
  private static final int MOST_NAMES_SHOWN = 20;

  private final String file;
  private final TableOptions options;
  private final Map<String, Cells> cells;
  private final int[] lines;
  private final int skipped;
  private final List<String> classNames;
  private final int @Nullable [] labels; // null if there is no such column

  private Table(Reader reader) {
    file = reader.file.path().toString();
    options = reader.options;
    cells = reader.cells;
    lines = Arrays.copyOf(reader.lines, reader.rows);
    skipped = reader.skipped;
    Cells label = reader.label;
    if (label == null) {
      classNames = options.classes();
      labels = null;
      return;
    }
    classNames = options.classes().isEmpty() ? NumberText.sorted(label.texts()) : options.classes();
    Map<String, Integer> numbers = numbered(classNames);
    int[] classOf = label.texts().stream().mapToInt(numbers::get).toArray();
    labels = IntStream.range(0, lines.length).map(row -> classOf[label.code(row)]).toArray();
  }

  static Map<String, Integer> numbered(List<String> names) {
    Map<String, Integer> numbers = new HashMap<>();
    for (int i = 0; i < names.size(); i++) {
      numbers.put(names.get(i), i);
    }
    return numbers;
  }

  /**
   * Reads a file.
   *
   * @param file the file to read, in any file system
   * @param options how to read it, and what its columns are
   * @return the table
   * @throws IllegalArgumentException if an argument is null
   * @throws IllegalStateException if commons-csv is not on the class path
   * @throws FileException if the file is missing, can't be read or is not a valid table: the first
   *     line lacks the columns, or names one twice or not at all; a row has too few or too many
   *     fields, no label, one that is not among the classes of the options, a missing value that is
   *     rejected, or no number where one is required; there are no rows, or there is only one
   *     class. The message names the file, the line and the column.
   */
  public static Table read(Path file, TableOptions options) {
    Arguments.notNull(options, READ, "options");
    Table table = read(READ, file, options, true);
    if (table.classNames.size() < 2) {
      throw table.damaged(
          READ, quoted("column", options.label()), "have two classes", shown(table.classNames));
    }
    return table;
  }

  /** Reads a file whose label may be missing. */
  static Table read(String function, Path file, TableOptions options, boolean labeled) {
    DataFile checked = DataFile.of(function, file);
    CsvLibrary.require(function);
    Reader reader = new Reader(checked, options, labeled);
    try (CsvText text =
        new CsvText(function, file.toString(), checked.open(), options.separator(), true)) {
      reader.read(text);
    } catch (IOException e) {
      throw checked.unreadable(e);
    }
    return new Table(reader);
  }

  /**
   * Returns the number of rows.
   *
   * @return at least 1
   */
  public int size() {
    return lines.length;
  }

  /**
   * Returns the number of rows that were left out because they lack a value.
   *
   * @return 0 unless the options say {@link MissingValues#SKIP_ROW}
   */
  public int skippedRows() {
    return skipped;
  }

  /**
   * Returns the line of the file on which a row begins.
   *
   * @param row from 0 to size − 1
   * @return the line number; the column names are on line 1
   * @throws IllegalArgumentException if there is no such row
   */
  public int line(int row) {
    Arguments.between(row, 0, lines.length - 1, "Table.line", "row");
    return lines[row];
  }

  /**
   * Returns the names of the columns in use, without the label's.
   *
   * @return at least one, in the order of the options or of the file. Immutable.
   */
  public List<String> columnNames() {
    return List.copyOf(cells.keySet());
  }

  /**
   * Returns the names of the classes of all rows.
   *
   * @return at least two, in their order. Immutable.
   */
  public List<String> classNames() {
    return classNames;
  }

  /**
   * Returns the class of a row.
   *
   * @param row from 0 to size − 1
   * @return the index of its name
   * @throws IllegalArgumentException if there is no such row
   */
  public int label(int row) {
    Arguments.between(row, 0, lines.length - 1, "Table.label", "row");
    return labels == null ? Dataset.UNLABELED : labels[row];
  }

  /**
   * Fits the columns to all rows.
   *
   * @return the columns
   * @throws FileException as for {@link #fit(int...)}
   */
  public TableColumns fit() {
    return fit(IntStream.range(0, lines.length).toArray());
  }

  /**
   * Fits the columns to the rows of the training set: determines which are numeric and which
   * categorical, the means and standard deviations, and the categories.
   *
   * @param rows at least one, in any order
   * @return the columns, with the classes of all rows
   * @throws IllegalArgumentException if the rows are null or empty, or there is no such row
   * @throws FileException if a column has no value in these rows, a numeric one has an infinite
   *     value or one out of float32's range, or a categorical one has more than 16,384 categories
   */
  public TableColumns fit(int... rows) {
    String function = "Table.fit";
    Arguments.notNull(rows, function, "rows");
    Arguments.atLeast(rows.length, 1, function, "rows.length");
    for (int row : rows) {
      Arguments.between(row, 0, lines.length - 1, function, "row");
    }
    ColumnFit fit = new ColumnFit(this, function, rows.clone());
    return new TableColumns(
        options.withClasses(classNames.toArray(new String[0])),
        cells.entrySet().stream().map(entry -> fit.column(entry.getKey(), entry.getValue())));
  }

  /**
   * Summarises what is in the columns, without rejecting anything.
   *
   * @return a summary for each of {@link #columnNames}, in their order. Immutable.
   */
  public List<ColumnSummary> summaries() {
    return cells.entrySet().stream()
        .map(entry -> ColumnSummary.of(entry.getKey(), entry.getValue(), this))
        .toList();
  }

  /**
   * Returns the number of rows that lack a value in a column that has one in another row; rows that
   * were left out don't count.
   *
   * @return from 0 to size; 0 unless the options say {@link MissingValues#MEAN}
   */
  public int incompleteRows() {
    List<Cells> columns =
        cells.values().stream()
            .filter(column -> !IntStream.range(0, lines.length).allMatch(column::isMissing))
            .toList();
    return (int)
        IntStream.range(0, lines.length)
            .filter(row -> columns.stream().anyMatch(column -> column.isMissing(row)))
            .count();
  }

  TableOptions options() {
    return options;
  }

  boolean isLabeled() {
    return labels != null;
  }

  /** Returns the cells of a column; {@code function} is the caller's name. */
  Cells cells(String function, String name) {
    Cells found = cells.get(name);
    if (found == null) {
      throw damaged(
          function,
          "the table",
          "have the column " + NumberText.shown(name),
          shown(cells.keySet()));
    }
    return found;
  }

  static String quoted(String what, String name) {
    return what + " " + NumberText.shown(name);
  }

  private static String shown(Collection<String> names) {
    String first =
        names.stream()
            .limit(MOST_NAMES_SHOWN)
            .map(NumberText::shown)
            .collect(Collectors.joining(", "));
    return names.isEmpty()
        ? "none"
        : first + (names.size() > MOST_NAMES_SHOWN ? ", ... " + names.size() + " in all" : "");
  }

  /** Returns the error for an invalid value of a row in a column. */
  FileException damaged(String function, String column, int row, String rule, String got) {
    return damaged(function, quoted("column", column) + " of line " + lines[row], rule, got);
  }

  /** Returns the error for an invalid table. */
  FileException damaged(String function, String what, String rule, String got) {
    return new FileException(
        function + ": " + what + " of " + file + " must " + rule + " (got " + got + ")", null);
  }

  /** Collects the rows of a file. */
  private static final class Reader {
    private final DataFile file;
    private final TableOptions options;
    private final boolean labeled;
    private final Set<String> missing;
    private final Set<String> classes;
    private final Map<String, Cells> cells = new LinkedHashMap<>();
    private @Nullable Cells label;
    private int[] lines = new int[1024];
    private int rows;
    private int skipped;

    // Indexed by the fields of a row.
    private List<String> names = List.of();
    private int labelField = -1;
    private int[] fields = {}; // of the columns in use

    Reader(DataFile file, TableOptions options, boolean labeled) {
      this.file = file;
      this.options = options;
      this.labeled = labeled;
      missing = new HashSet<>(options.missing());
      classes = new HashSet<>(options.classes());
    }

    void read(CsvText text) throws IOException {
      if (!text.next()) {
        throw file.damaged("the first line", "have the names of the columns", "no line");
      }
      readNames(text);
      Cells[] used = cells.values().toArray(new Cells[0]);
      while (text.next()) {
        readRow(text, used);
      }
      if (rows == 0) {
        throw file.damaged(
            "the rows", "be at least one", skipped == 0 ? "none" : "none without missing values");
      }
    }

    private void readNames(CsvText text) {
      names = IntStream.range(0, text.size()).mapToObj(text::field).toList();
      Map<String, Integer> fieldOf = new HashMap<>();
      for (int i = 0; i < names.size(); i++) {
        if (names.get(i).isEmpty()) {
          throw text.damaged("have a name for every column", "none for column " + (i + 1));
        }
        if (fieldOf.put(names.get(i), i) != null) {
          throw text.damaged(
              "have another name for every column", NumberText.shown(names.get(i)) + " twice");
        }
      }
      if (labeled || fieldOf.containsKey(options.label())) {
        labelField = field(text, fieldOf, options.label());
        label = new Cells(Cells.Kind.TEXTS, MOST_CLASSES);
      }
      List<String> chosen = chosen(text, fieldOf);
      for (String name : chosen) {
        cells.put(name, new Cells(kind(name), MOST_CATEGORIES));
      }
      fields = chosen.stream().mapToInt(fieldOf::get).toArray();
      requireUsed(text, options.numbers());
      requireUsed(text, options.categories());
    }

    private List<String> chosen(CsvText text, Map<String, Integer> fieldOf) {
      options.columns().forEach(name -> field(text, fieldOf, name));
      options.ignored().forEach(name -> field(text, fieldOf, name));
      List<String> candidates = options.columns().isEmpty() ? names : options.columns();
      List<String> chosen =
          candidates.stream()
              .filter(name -> !name.equals(options.label()) && !options.ignored().contains(name))
              .toList();
      if (chosen.isEmpty()) {
        throw text.damaged("have a column that is used, beside the label", shown(names));
      }
      return chosen;
    }

    private int field(CsvText text, Map<String, Integer> fieldOf, String name) {
      Integer found = fieldOf.get(name);
      if (found == null) {
        throw text.damaged("have the column " + NumberText.shown(name), shown(names));
      }
      return found;
    }

    private void requireUsed(CsvText text, List<String> typed) {
      for (String name : typed) {
        if (!cells.containsKey(name)) {
          throw text.damaged(
              "have the column " + NumberText.shown(name) + " that is used", shown(cells.keySet()));
        }
      }
    }

    private Cells.Kind kind(String name) {
      if (options.numbers().contains(name)) {
        return Cells.Kind.NUMBERS;
      }
      return options.categories().contains(name) ? Cells.Kind.TEXTS : Cells.Kind.EITHER;
    }

    private void readRow(CsvText text, Cells[] used) {
      if (text.size() != names.size()) {
        throw text.damaged("have " + names.size() + " fields", String.valueOf(text.size()));
      }
      if (labelField >= 0) {
        checkLabel(text);
      }
      if (options.missingValues() != MissingValues.MEAN && hasMissing(text)) {
        skipped++;
        return;
      }
      if (labelField >= 0) {
        add(text, label, labelField);
      }
      for (int i = 0; i < used.length; i++) {
        add(text, used[i], fields[i]);
      }
      lines = lines.length > rows ? lines : Arrays.copyOf(lines, rows + rows / 2);
      lines[rows++] = Math.toIntExact(text.line());
    }

    private void checkLabel(CsvText text) {
      String name = text.field(labelField);
      boolean isKnown = classes.isEmpty() ? !missing.contains(name) : classes.contains(name);
      if (!isKnown) {
        throw text.damaged(
            options.label(),
            missing.contains(name) ? "not be missing" : "be one of " + shown(options.classes()),
            NumberText.shown(name));
      }
    }

    private boolean hasMissing(CsvText text) {
      for (int field : fields) {
        if (missing.contains(text.field(field))) {
          if (options.missingValues() == MissingValues.REFUSE) {
            throw text.damaged(
                names.get(field), "not be missing", NumberText.shown(text.field(field)));
          }
          return true;
        }
      }
      return false;
    }

    private void add(CsvText text, Cells column, int field) {
      String value = text.field(field);
      boolean isMissing = column != label && missing.contains(value);
      String rule = column.add(isMissing ? null : value);
      if (rule != null) {
        throw text.damaged(names.get(field), rule, NumberText.shown(value));
      }
    }
  }
}
