package org.retort.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.retort.recipes.Method;

/** The results as a plain-text table. */
final class TableReport {
  private static final String NONE = "";

  private TableReport() {}

  /** Returns the table, each line terminated. */
  static String of(Results results) {
    List<List<String>> lines = new ArrayList<>();
    lines.add(List.of("method", "accuracy %", "gain over the student alone", "seconds a seed"));
    results
        .teachers()
        .forEach(
            (name, run) ->
                lines.add(
                    List.of(
                        name,
                        number("%.2f", run.accuracyPercent()),
                        NONE,
                        number("%.1f", run.seconds()))));
    for (Method method : results.settings().methods()) {
      lines.add(
          List.of(
              method.title(),
              withDeviation("%.2f", results.accuracy(method)),
              results.gain(method).map(gain -> withDeviation("%+.2f", gain)).orElse(NONE),
              number("%.1f", results.seconds(method).mean())));
    }
    return align(lines);
  }

  /** Returns a mean with its deviation, if there is one. */
  static String withDeviation(String format, Statistic statistic) {
    String mean = number(format, statistic.mean());
    return statistic.deviation() == null
        ? mean
        : mean + " ± " + number("%.2f", statistic.deviation());
  }

  /** Returns a number as formatted throughout the tables. */
  static String number(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }

  /** Returns lines of cells as aligned columns, each line terminated. */
  static String align(List<List<String>> lines) {
    int[] widths = new int[lines.get(0).size()];
    for (List<String> line : lines) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], ShortText.columns(line.get(i)));
      }
    }
    return lines.stream().map(line -> align(line, widths)).collect(Collectors.joining());
  }

  private static String align(List<String> cells, int[] widths) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      line.append(ShortText.padded(cells.get(i), widths[i] + 2));
    }
    return line.toString().stripTrailing() + System.lineSeparator();
  }
}
