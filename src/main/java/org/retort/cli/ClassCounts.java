package org.retort.cli;

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The number of samples of each class in each part of the data.
 *
 * @param names the names of the classes
 * @param parts the counts of all classes in each part, by the part's name
 */
record ClassCounts(List<String> names, Map<String, List<Integer>> parts) {
  private static final int LONGEST_NAME = 30;
  private static final int SHORTEST_BAR = 8;
  private static final int EIGHTHS = 8;
  private static final String GAP = "  ";

  /** Parts of a character cell, from none to seven eighths. */
  private static final String[] PARTS = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

  /** Creates counts without parts. */
  static ClassCounts of(List<String> names) {
    return new ClassCounts(names, new LinkedHashMap<>());
  }

  /** Adds a part. */
  ClassCounts with(String part, List<Integer> counts) {
    Map<String, List<Integer>> more = new LinkedHashMap<>(parts);
    more.put(part, counts);
    return new ClassCounts(names, more);
  }

  /** Returns the counts of a part by class name, in order. */
  Map<String, Integer> of(String part) {
    Map<String, Integer> counts = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      counts.put(names.get(i), parts.get(part).get(i));
    }
    return counts;
  }

  /** Returns a table with a bar for each class, in lines of {@code width} columns. */
  String text(int width) {
    List<List<String>> columns = columns();
    int[] widths =
        columns.stream()
            .mapToInt(column -> column.stream().mapToInt(ShortText::columns).max().orElse(0))
            .toArray();
    int used = IntStream.of(widths).map(column -> column + GAP.length()).sum();
    int barWidth = Math.max(SHORTEST_BAR, width - used - 1); // the last column may wrap
    int most = IntStream.range(0, names.size()).map(this::all).max().orElse(0);
    StringBuilder text = new StringBuilder();
    for (int line = 0; line <= names.size(); line++) {
      StringBuilder cells = new StringBuilder();
      for (int column = 0; column < widths.length; column++) {
        cells.append(cell(columns.get(column).get(line), widths[column], column > 0)).append(GAP);
      }
      cells.append(line == 0 ? "" : bar(all(line - 1), Math.max(1, most), barWidth));
      text.append(cells.toString().stripTrailing()).append(System.lineSeparator());
    }
    return text.toString();
  }

  private List<List<String>> columns() {
    List<List<String>> columns = new ArrayList<>();
    List<String> first = new ArrayList<>(List.of("class"));
    names.forEach(name -> first.add(ShortText.inColumns(composed(name), LONGEST_NAME)));
    columns.add(first);
    parts.forEach(
        (part, counts) -> {
          List<String> column = new ArrayList<>(List.of(part));
          counts.forEach(count -> column.add(count.toString()));
          columns.add(column);
        });
    return columns;
  }

  /** Composes accents, since a separate accent character takes no column. */
  private static String composed(String name) {
    return Normalizer.normalize(name, Normalizer.Form.NFC);
  }

  private static String cell(String text, int width, boolean isNumber) {
    return isNumber
        ? " ".repeat(width - ShortText.columns(text)) + text
        : ShortText.padded(text, width);
  }

  private int all(int index) {
    return parts.values().stream().mapToInt(counts -> counts.get(index)).sum();
  }

  /** Returns a bar of at least an eighth of a character cell, unless the count is 0. */
  private static String bar(int count, int most, int width) {
    long eighths = ((long) count * width * EIGHTHS + most / 2) / most;
    int shown = (int) Math.max(eighths, count == 0 ? 0 : 1);
    return "█".repeat(shown / EIGHTHS) + PARTS[shown % EIGHTHS];
  }
}
