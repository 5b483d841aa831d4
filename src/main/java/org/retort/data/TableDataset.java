package org.retort.data;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.retort.internal.Arguments;

/**
 * The rows of a CSV file as features, given by the {@link TableColumns} fitted on the training set:
 * numbers as they are in the file, as float32, and 1 for the category of a row, if it has one, and
 * 0 for the others. The network standardises them; see there.
 *
 * <p>The {@link #inputShape} that a network sees is [features]; {@link #shape} is [features, 1, 1].
 * Requires {@code org.apache.commons:commons-csv} on the class path, which is not a dependency of
 * Retort.
 */
public final class TableDataset implements Dataset {
  private static final String OF = "TableDataset.of";
  private static final String OPEN = "TableDataset.open";

  private final Table table;
  private final TableColumns columns;
  private final ImageShape shape;
  private final int[] labels;
  private final Cells[] cells; // of the columns
  private final int[][] categoryOf; // by column and code of its text; empty for numeric columns
  private final float[] fill; // replaces missing values: a number, or the number of a category

  private TableDataset(String function, Table table, TableColumns columns) {
    this.table = table;
    this.columns = columns;
    shape = new ImageShape(columns.features(), 1, 1);
    labels = labels(function);
    int count = columns.columns().size();
    cells = new Cells[count];
    categoryOf = new int[count][];
    fill = new float[count];
    for (int i = 0; i < count; i++) {
      TableColumn column = columns.columns().get(i);
      cells[i] = table.cells(function, column.name());
      categoryOf[i] = column.isOfNumbers() ? new int[0] : categories(function, i);
      fill[i] =
          column.isOfNumbers() ? (float) column.mean() : columns.category(i, column.mostFrequent());
      for (int row = 0; row < table.size(); row++) {
        check(function, i, row);
      }
    }
  }

  /**
   * Creates a data set of all rows of a table, each at its own index.
   *
   * @param table the rows
   * @param columns the table's own columns, or others that are all in the table
   * @return the data set
   * @throws IllegalArgumentException if an argument is null
   * @throws org.retort.FileException if the table lacks a column, a numeric value is not a number,
   *     infinite or out of float32's range, a value is missing and the columns do not say what
   *     replaces it, a category is unknown and its features are not to be 0, or a label is not one
   *     of the classes; the message names the file, the line and the column
   */
  public static TableDataset of(Table table, TableColumns columns) {
    Arguments.notNull(table, OF, "table");
    Arguments.notNull(columns, OF, "columns");
    return new TableDataset(OF, table, columns);
  }

  /**
   * Reads a file other than that of the training set, for example one to predict. Its columns may
   * be in another order, and there may be more of them. If it has no label column, no row has a
   * label.
   *
   * @param file the file to read, in any file system
   * @param columns the columns of the training set, which determine how the file is read
   * @return the data set
   * @throws IllegalArgumentException if an argument is null
   * @throws IllegalStateException if commons-csv is not on the class path
   * @throws org.retort.FileException if the file is missing, can't be read, is not a valid table,
   *     or for any reason given for {@link #of}
   */
  public static TableDataset open(Path file, TableColumns columns) {
    Arguments.notNull(columns, OPEN, "columns");
    return new TableDataset(OPEN, Table.read(OPEN, file, columns.options(), false), columns);
  }

  private int[] labels(String function) {
    int[] found = new int[table.size()];
    if (!table.isLabeled()) {
      Arrays.fill(found, UNLABELED);
      return found;
    }
    int[] classOf = table.classNames().stream().mapToInt(columns::label).toArray();
    for (int row = 0; row < found.length; row++) {
      found[row] = classOf[table.label(row)];
      if (found[row] < 0) {
        throw table.damaged(
            function,
            columns.label(),
            row,
            "be a class of the training part",
            NumberText.shown(table.classNames().get(table.label(row))));
      }
    }
    return found;
  }

  private int[] categories(String function, int column) {
    if (!cells[column].hasTexts()) {
      throw table.damaged(
          function,
          Table.quoted("column", columns.names().get(column)),
          "have " + Table.MOST_CATEGORIES + " different texts at most",
          "more");
    }
    return cells[column].texts().stream()
        .mapToInt(text -> columns.category(column, text))
        .toArray();
  }

  private void check(String function, int column, int row) {
    boolean isMissing = cells[column].isMissing(row);
    String rule = null;
    if (isMissing) {
      boolean isFilled = columns.options().missingValues() == MissingValues.MEAN;
      rule = isFilled ? null : "not be missing";
    } else if (columns.columns().get(column).isOfNumbers()) {
      float value = cells[column].number(row);
      rule = Float.isFinite(value) ? null : Cells.ruleOfNumbers(value);
    } else if (columns.options().unknownCategories() == UnknownCategories.REFUSE
        && categoryOf[column][cells[column].code(row)] < 0) {
      rule = "be a category of the training part";
    }
    if (rule != null) {
      throw table.damaged(
          function,
          columns.names().get(column),
          row,
          rule,
          NumberText.shown(cells[column].text(row)));
    }
  }

  /**
   * Returns the columns.
   *
   * @return those that this was created with
   */
  public TableColumns columns() {
    return columns;
  }

  /**
   * Returns the line of the file on which a row begins.
   *
   * @param index from 0 to size − 1
   * @return the line number; the column names are on line 1
   * @throws IllegalArgumentException if there is no such row
   */
  public int line(int index) {
    Arguments.between(index, 0, labels.length - 1, "TableDataset.line", "index");
    return table.line(index);
  }

  @Override
  public int size() {
    return labels.length;
  }

  @Override
  public int classes() {
    return columns.classNames().size();
  }

  @Override
  public List<String> classNames() {
    return columns.classNames();
  }

  @Override
  public ImageShape shape() {
    return shape;
  }

  @Override
  public long[] inputShape() {
    return new long[] {shape.channels()};
  }

  @Override
  public int label(int index) {
    Arguments.between(index, 0, labels.length - 1, "TableDataset.label", "index");
    return labels[index];
  }

  /** Appends the features of a row. */
  @Override
  public void read(int index, FloatBuffer image) {
    Arguments.between(index, 0, labels.length - 1, "TableDataset.read", "index");
    BytePixels.requireRoom(image, shape.values());
    for (int i = 0; i < cells.length; i++) {
      float value = value(i, index);
      int features = columns.columns().get(i).features();
      if (columns.columns().get(i).isOfNumbers()) {
        image.put(value);
      } else {
        for (int category = 0; category < features; category++) {
          image.put(category == value ? 1 : 0);
        }
      }
    }
  }

  /** Returns a number, or the number of a category, -1 for an unknown one. */
  private float value(int column, int row) {
    if (cells[column].isMissing(row)) {
      return fill[column];
    }
    return columns.columns().get(column).isOfNumbers()
        ? cells[column].number(row)
        : categoryOf[column][cells[column].code(row)];
  }

  /** Returns a hash of the labels, all features, and the properties of the columns. */
  @Override
  public long fingerprint() {
    Fingerprint fingerprint = Fingerprint.of(this);
    columns.featureNames().forEach(fingerprint::add);
    for (double mean : columns.mean()) {
      fingerprint.add(mean);
    }
    for (double deviation : columns.deviation()) {
      fingerprint.add(deviation);
    }
    for (int row = 0; row < labels.length; row++) {
      for (int column = 0; column < cells.length; column++) {
        fingerprint.add(Float.floatToIntBits(value(column, row)));
      }
    }
    return fingerprint.value();
  }
}
