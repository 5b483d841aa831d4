package org.retort.cli;

import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.retort.data.ColumnSummary;
import org.retort.data.MissingValues;
import org.retort.data.Table;
import org.retort.data.TableOptions;

/**
 * The rows of a CSV file.
 *
 * @param file the file as typed
 * @param label the class column
 * @param table the table as read
 */
record InspectedTable(Path file, String label, Table table) implements Inspection {
  private static final String ROWS = "rows";
  private static final int LONGEST_NAME = 40;

  private record Document(
      String data,
      String kind,
      int rows,
      int incompleteRows,
      String label,
      Map<String, Integer> classes,
      List<Column> columns) {}

  private record Column(
      String name,
      String kind,
      int missing,
      @Nullable Float smallest,
      @Nullable Float largest,
      @Nullable Integer categories,
      int refused) {}

  /** Reads a file; missing values are not an error. */
  static InspectedTable of(Path file, String label) {
    TableOptions options = TableOptions.of(label).withMissingValues(MissingValues.MEAN);
    return new InspectedTable(file, label, Table.read(file, options));
  }

  private ClassCounts counts() {
    int[] counts = new int[table.classNames().size()];
    IntStream.range(0, table.size()).forEach(row -> counts[table.label(row)]++);
    return ClassCounts.of(table.classNames()).with(ROWS, IntStream.of(counts).boxed().toList());
  }

  @Override
  public String text(int width) {
    String end = System.lineSeparator();
    List<ColumnSummary> columns = table.summaries();
    StringBuilder text = new StringBuilder();
    text.append(
            "%s: %s in %d classes of %s, %s"
                .formatted(
                    file,
                    Inspection.count(table.size(), "row", ROWS),
                    table.classNames().size(),
                    ShortText.inColumns(label, LONGEST_NAME),
                    Inspection.count(columns.size(), "column", "columns")))
        .append(end)
        .append(end)
        .append(counts().text(width))
        .append(end)
        .append(TableReport.align(lines(columns)))
        .append(end);
    int incomplete = table.incompleteRows();
    text.append(
            incomplete == 0
                ? "no value is missing"
                : Inspection.count(incomplete, "row lacks", "rows lack")
                    + " a value, of which missing_values: refuse, mean or skip_row decides")
        .append(end);
    for (ColumnSummary column : columns) {
      if (column.refused() > 0) {
        text.append(
                "%s: %s refused, the first in line %d"
                    .formatted(
                        ShortText.inColumns(column.name(), LONGEST_NAME),
                        Inspection.count(column.refused(), "value is", "values are"),
                        column.firstRefused()))
            .append(end);
      }
    }
    return text.toString();
  }

  private static List<List<String>> lines(List<ColumnSummary> columns) {
    List<List<String>> lines = new ArrayList<>();
    lines.add(List.of("column", "kind", "values", "missing"));
    for (ColumnSummary column : columns) {
      lines.add(
          List.of(
              ShortText.inColumns(column.name(), LONGEST_NAME),
              kind(column),
              values(column),
              Integer.toString(column.missing())));
    }
    return lines;
  }

  private static String kind(ColumnSummary column) {
    return column.kind().name().toLowerCase(Locale.ROOT);
  }

  private static String values(ColumnSummary column) {
    return switch (column.kind()) {
      case NUMBERS ->
          Float.isNaN(column.smallest())
              ? "none finite"
              : number(column.smallest()) + " to " + number(column.largest());
      case CATEGORIES -> column.categories() + " different";
      case EMPTY -> "none, so ignore it";
    };
  }

  private static String number(float value) {
    float size = Math.abs(value);
    return size == 0 || size >= 1e-4f && size < 1e9f
        ? new BigDecimal(Float.toString(value)).stripTrailingZeros().toPlainString()
        : Float.toString(value);
  }

  @Override
  public Object document() {
    return new Document(
        file.toString(),
        "csv",
        table.size(),
        table.incompleteRows(),
        label,
        counts().of(ROWS),
        table.summaries().stream().map(InspectedTable::document).toList());
  }

  private static Column document(ColumnSummary column) {
    boolean hasRange = !Float.isNaN(column.smallest());
    return new Column(
        column.name(),
        kind(column),
        column.missing(),
        hasRange ? column.smallest() : null,
        hasRange ? column.largest() : null,
        column.kind() == ColumnSummary.Kind.CATEGORIES ? column.categories() : null,
        column.refused());
  }

  @Override
  public List<SamplesPicture.Row> samples() {
    return List.of();
  }
}
