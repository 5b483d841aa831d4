package org.retort.cli;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.retort.Retort;
import org.retort.cli.Results.Run;
import org.retort.data.Digits;

/** The results as JSON: all that is needed to make the table again, and where it was made. */
final class JsonReport {
  private static final Gson GSON =
      new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().serializeNulls().create();

  private record Document(
      Options settings,
      Run teacher,
      List<Student> students,
      Versions versions,
      Machine machine,
      Data data) {}

  private record Options(
      List<String> rows,
      Map<String, Double> weights,
      int seeds,
      int epochs,
      int teacherEpochs,
      int labelsPerClass,
      int threads) {}

  private record Student(
      String row,
      String title,
      Statistic accuracyPercent,
      Statistic gainPoints,
      Statistic seconds,
      List<Run> runs) {}

  private record Versions(String retort, String java) {}

  private record Machine(String system, String architecture, String processor, int processors) {}

  private record Data(String credit, int trainImages, int testImages) {}

  private JsonReport() {}

  /** Returns the document. */
  static String of(Results results) {
    return GSON.toJson(
            new Document(
                options(results.settings()),
                results.teacher().orElse(null),
                results.students().keySet().stream().map(row -> student(results, row)).toList(),
                new Versions(Retort.version(), System.getProperty("java.runtime.version")),
                machine(),
                new Data(Digits.CREDIT, Digits.TRAIN_SIZE, Digits.TEST_SIZE)))
        + "\n";
  }

  private static Options options(Settings settings) {
    Map<String, Double> weights = new TreeMap<>();
    settings.weights().forEach((row, weight) -> weights.put(row.id(), weight));
    return new Options(
        settings.rows().stream().map(Row::id).toList(),
        weights,
        settings.seeds(),
        settings.epochs(),
        settings.teacherEpochs(),
        settings.labelsPerClass(),
        settings.threads());
  }

  private static Student student(Results results, Row row) {
    return new Student(
        row.id(),
        row.title(),
        results.accuracy(row),
        results.gain(row).orElse(null),
        results.seconds(row),
        results.students().get(row));
  }

  private static Machine machine() {
    return new Machine(
        System.getProperty("os.name") + " " + System.getProperty("os.version"),
        System.getProperty("os.arch"),
        processor(),
        Runtime.getRuntime().availableProcessors());
  }

  /** Returns the processor's name as Linux tells it, null where it does not. */
  private static String processor() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse(null);
    } catch (IOException | java.io.UncheckedIOException e) {
      return null;
    }
  }
}
