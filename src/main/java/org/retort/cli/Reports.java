package org.retort.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.retort.recipes.Method;

/** Writes the results in all formats. */
final class Reports {
  private Reports() {}

  /** Writes the tables into the output folder. */
  static void writeTables(Results results) throws IOException {
    Path folder = results.settings().output();
    write(folder.resolve("results.json"), JsonReport.of(results));
    write(folder.resolve("results.csv"), CsvReport.runs(results));
    write(folder.resolve("history.csv"), CsvReport.history(results));
  }

  /** Writes the plots into the output folder. */
  static void writePlots(Results results) throws IOException {
    Path folder = results.settings().output();
    AtomicFile.write(folder.resolve("accuracy.png"), PlotStyle.png(PlotReport.chart(results)));
    AtomicFile.write(
        folder.resolve("accuracy-epochs.png"), PlotStyle.png(HistoryPlot.ofAccuracy(results)));
    for (Method method : results.settings().methods()) {
      AtomicFile.write(
          folder.resolve("losses-" + method.name() + ".png"),
          PlotStyle.png(HistoryPlot.ofLosses(results, method)));
    }
  }

  private static void write(Path file, String text) throws IOException {
    AtomicFile.write(file, text.getBytes(StandardCharsets.UTF_8));
  }
}
