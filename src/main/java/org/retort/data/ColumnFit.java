package org.retort.data;

import java.util.List;
import java.util.stream.IntStream;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;

/** Determines from some rows of a table what its columns are. */
final class ColumnFit {
  private final Table table;
  private final String function;
  private final int[] rows;

  ColumnFit(Table table, String function, int[] rows) {
    this.table = table;
    this.function = function;
    this.rows = rows;
  }

  TableColumn column(String name, Cells cells) {
    int[] present = IntStream.of(rows).filter(row -> !cells.isMissing(row)).toArray();
    if (present.length == 0) {
      throw table.damaged(
          function,
          Table.quoted("column", name),
          "have a value in a row of the training part",
          "none");
    }
    return isOfNumbers(name, cells, present)
        ? ofNumbers(name, cells, present)
        : ofCategories(name, cells, present);
  }

  private boolean isOfNumbers(String name, Cells cells, int[] present) {
    TableOptions options = table.options();
    if (options.numbers().contains(name) || options.categories().contains(name)) {
      return options.numbers().contains(name);
    }
    return IntStream.of(present).noneMatch(row -> Float.isNaN(cells.number(row)));
  }

  private TableColumn ofNumbers(String name, Cells cells, int[] present) {
    float[] values = new float[present.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = cells.number(present[i]);
      if (!Float.isFinite(values[i])) {
        throw table.damaged(
            function,
            name,
            present[i],
            Cells.ruleOfNumbers(values[i]),
            NumberText.shown(cells.text(present[i])));
      }
    }
    double[] moments = new double[2];
    Native.run(() -> retort.column_moments(values, values.length, moments));
    return TableColumn.ofNumbers(name, moments[0], moments[1]);
  }

  private TableColumn ofCategories(String name, Cells cells, int[] present) {
    if (!cells.hasTexts()) { // too many distinct ones, most of them numbers
      int row =
          IntStream.of(present).filter(i -> Float.isNaN(cells.number(i))).findFirst().getAsInt();
      throw table.damaged(
          function,
          name,
          row,
          Cells.ruleOfEither(Table.MOST_CATEGORIES),
          NumberText.shown(cells.text(row)));
    }
    int[] counts = new int[cells.texts().size()];
    IntStream.of(present).forEach(row -> counts[cells.code(row)]++);
    List<String> found =
        IntStream.range(0, counts.length)
            .filter(code -> counts[code] > 0)
            .mapToObj(cells.texts()::get)
            .toList();
    List<String> categories = NumberText.sorted(found);
    int most = IntStream.of(counts).max().getAsInt();
    String mostFrequent =
        categories.stream()
            .filter(category -> counts[cells.codeOf(category)] == most)
            .findFirst()
            .orElseThrow();
    return TableColumn.ofCategories(name, categories, mostFrequent);
  }
}
