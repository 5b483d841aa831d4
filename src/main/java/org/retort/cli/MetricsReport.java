package org.retort.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVPrinter;
import org.retort.train.Metrics;

/** Reports how well a network classifies, as files for people and other programs. */
final class MetricsReport {
  private static final CSVFormat CSV = CSVFormat.DEFAULT.builder().setRecordSeparator('\n').get();

  private record Document(
      long samples,
      long correct,
      long inTop5,
      double accuracyPercent,
      double top5AccuracyPercent,
      double balancedAccuracyPercent,
      List<OfClass> classes) {}

  /** The figures of a class; null where a figure is undefined. */
  private record OfClass(
      int label,
      String name,
      long samples,
      long predictions,
      Double recallPercent,
      Double precisionPercent,
      Double f1Percent) {}

  private MetricsReport() {}

  /**
   * Writes {@code metrics.json}, {@code per-class.csv}, {@code confusion.csv} and {@code
   * confusion.png}.
   *
   * @param folder the output folder, which must exist
   * @param title the title of the picture, for example the network's name
   * @param classNames one per class, or none to use their numbers
   * @param metrics the metrics to report
   * @param withPicture whether to write the picture, which needs fonts
   */
  static void write(
      Path folder, String title, List<String> classNames, Metrics metrics, boolean withPicture)
      throws IOException {
    write(folder.resolve("metrics.json"), json(classNames, metrics));
    write(folder.resolve("per-class.csv"), perClass(classNames, metrics));
    write(folder.resolve("confusion.csv"), confusion(classNames, metrics));
    if (withPicture) {
      AtomicFile.write(
          folder.resolve("confusion.png"), ConfusionPicture.png(title, classNames, metrics));
    }
  }

  private static void write(Path file, String text) throws IOException {
    AtomicFile.write(file, text.getBytes(StandardCharsets.UTF_8));
  }

  /** Returns the figures for all classes together and for each. */
  static String json(List<String> classNames, Metrics metrics) {
    return Json.of(
        new Document(
            metrics.samples(),
            metrics.correct(),
            metrics.inTop5(),
            100 * metrics.accuracy(),
            100 * metrics.top5Accuracy(),
            100 * metrics.balancedAccuracy(),
            classes(classNames, metrics)));
  }

  private static List<OfClass> classes(List<String> classNames, Metrics metrics) {
    List<String> names = ClassNames.of(classNames, metrics.classes());
    return IntStream.range(0, metrics.classes())
        .mapToObj(
            label ->
                new OfClass(
                    label,
                    names.get(label),
                    metrics.support(label),
                    metrics.predictions(label),
                    percent(metrics.recall(label)),
                    percent(metrics.precision(label)),
                    percent(metrics.f1(label))))
        .toList();
  }

  private static Double percent(OptionalDouble fraction) {
    return fraction.isPresent() ? Double.valueOf(100 * fraction.getAsDouble()) : null;
  }

  /** Returns one line per class; cells are empty where a figure is undefined. */
  static String perClass(List<String> classNames, Metrics metrics) {
    List<List<?>> lines = new ArrayList<>();
    lines.add(
        List.of(
            "label",
            "class",
            "samples",
            "predictions",
            "recall_percent",
            "precision_percent",
            "f1_percent"));
    for (OfClass one : classes(classNames, metrics)) {
      List<Object> line = new ArrayList<>();
      line.add(one.label());
      line.add(one.name());
      line.add(one.samples());
      line.add(one.predictions());
      line.add(one.recallPercent());
      line.add(one.precisionPercent());
      line.add(one.f1Percent());
      lines.add(line);
    }
    return csv(lines);
  }

  /**
   * Returns the confusion matrix in samples: one line per actual class, one column per predicted
   * class.
   */
  static String confusion(List<String> classNames, Metrics metrics) {
    List<String> names = ClassNames.of(classNames, metrics.classes());
    List<List<?>> lines = new ArrayList<>();
    List<Object> header = new ArrayList<>(List.of("true class"));
    header.addAll(names);
    lines.add(header);
    for (int label = 0; label < names.size(); label++) {
      List<Object> line = new ArrayList<>(List.of(names.get(label)));
      for (int predicted = 0; predicted < names.size(); predicted++) {
        line.add(metrics.confusion(label, predicted));
      }
      lines.add(line);
    }
    return csv(lines);
  }

  private static String csv(List<List<?>> lines) {
    StringBuilder text = new StringBuilder();
    try (CSVPrinter printer = new CSVPrinter(text, CSV)) {
      printer.printRecords(lines);
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
    return text.toString();
  }
}
