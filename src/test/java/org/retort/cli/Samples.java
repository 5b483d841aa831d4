package org.retort.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.retort.data.ImageShape;
import org.retort.models.Prediction;
import org.retort.recipes.Method;
import org.retort.recipes.Recipe;
import org.retort.recipes.Recipes;
import org.retort.train.Metrics;

/** Made-up results for the tests of the reports. */
final class Samples {
  private static final Recipe RECIPE = Recipes.load("digits");
  private static final Run TEACHER =
      new Run(0, 99.72, 6.04, 272_186, "teacher.pt", List.of(epoch(0, Map.of())));

  private static final List<String> CLASS_NAMES =
      List.of(
          "<b>&\"'",
          "Zwölf, \"quoted\"",
          "</script><script>alert(1)</script>",
          "漢字",
          "a name that is much longer than all others, so that it does not fit anywhere");

  private Samples() {}

  /** Returns the results of a teacher and two methods over three seeds. */
  static Results threeSeeds() {
    Map<String, List<Run>> students = new LinkedHashMap<>();
    students.put("student", runs("student", Map.of(), 88, 91, 85));
    students.put("kd", runs("kd", Map.of("kd", 2.5), 99.5, 99, 100));
    return new Results(settings(3, Set.of("student", "kd")), Map.of("teacher", TEACHER), students);
  }

  /** Returns the results of the student alone, without a teacher, for one seed. */
  static Results studentAlone() {
    return new Results(
        settings(1, Set.of("student")), Map.of(), Map.of("student", runs("student", Map.of(), 88)));
  }

  /** Returns the results of a teacher and KD, without the student alone, for one seed. */
  static Results kdOnly() {
    return new Results(
        settings(1, Set.of("kd")),
        Map.of("teacher", TEACHER),
        Map.of("kd", runs("kd", Map.of("kd", 2.5), 99.5)));
  }

  /** Returns a method of the recipe. */
  static Method method(String name) {
    return RECIPE.withMethods(Set.of(name)).methods().get(0);
  }

  /** Returns what was run, on which machine. */
  static ExperimentReport experiment() {
    return new ExperimentReport(
        "retort distill --methods student,kd --output \"a <folder>\"",
        RECIPE.text(),
        new ExperimentReport.Options(
            "digits", "resnet20", null, 4L, 20, "resnet8", 15, 5, Map.of("kd", 0.9), null),
        List.of("student", "kd"),
        3,
        "cpu",
        1,
        2,
        1,
        new ExperimentReport.Versions("0.1.0", "17.0.12", "avx2"),
        new Machine("Linux 6.1", "amd64", "A <Processor> & Co.", 4),
        new ExperimentReport.Data(
            "digits",
            "E. Alpaydin, C. Kaynak",
            1438,
            359,
            List.of(1L, 8L, 8L),
            List.of(),
            "not normalised"));
  }

  /** Returns made-up metrics: of each class most samples are right, and none of the last. */
  static Metrics metrics(int classes, int shift) {
    long[][] confusion = new long[classes][classes];
    for (int label = 0; label < classes - 1; label++) {
      confusion[label][label] = 30 + label % 7;
      confusion[label][(label + 1 + shift % 3) % classes] += 1 + (label + shift) % 3;
    }
    long samples = 0;
    for (long[] row : confusion) {
      samples += LongStream.of(row).sum();
    }
    return Metrics.of(confusion, samples - (classes > 5 ? 1 : 0));
  }

  /** Returns names that must be escaped, as many as are asked for. */
  static List<String> classNames(int classes) {
    List<String> names = new ArrayList<>(CLASS_NAMES);
    for (int i = names.size(); i < classes; i++) {
      names.add("class " + i);
    }
    return names.subList(0, classes);
  }

  /** Returns everything that a page can show. */
  static ReportPage page(int classes) throws IOException {
    List<ReportPage.Measured> networks =
        List.of(
            new ReportPage.Measured("teacher", "", metrics(classes, 0)),
            new ReportPage.Measured("student alone", "seed 0", metrics(classes, 1)),
            new ReportPage.Measured("KD", "seed 0", metrics(classes, 2)));
    List<ReportSample> samples = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      samples.add(sample(i, i % classes, classes, networks.size()));
    }
    return new ReportPage(threeSeeds(), experiment(), classNames(classes), networks, samples);
  }

  /** Returns a sample, of which the last network gets every other wrong. */
  static ReportSample sample(int number, int label, int classes, int networks) throws IOException {
    List<List<Prediction>> predictions = new ArrayList<>();
    for (int network = 0; network < networks; network++) {
      int first = network == networks - 1 ? (label + number % 2) % classes : label;
      predictions.add(
          List.of(
              new Prediction(first, "unused", 0.9f),
              new Prediction((first + 1) % classes, "unused", 0.0625f),
              new Prediction((first + 2) % classes, "unused", 0.03f)));
    }
    float[] pixels = new float[8 * 8];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (i * (number + 3) % 17) / 16f;
    }
    return new ReportSample(
        "number " + number,
        ReportSample.picture(new ImageShape(1, 8, 8), pixels),
        "",
        label,
        predictions);
  }

  private static List<Run> runs(String method, Map<String, Double> terms, double... percents) {
    return IntStream.range(0, percents.length)
        .mapToObj(
            seed ->
                new Run(
                    seed,
                    percents[seed],
                    seed + 1,
                    77_754,
                    method + "-seed" + seed + ".pt",
                    List.of(epoch(0, terms), epoch(1, terms))))
        .toList();
  }

  private static Run.Epoch epoch(int number, Map<String, Double> terms) {
    return new Run.Epoch(0, number, 3.5, 1, terms, 50.0, 75, 0.1, 0.5);
  }

  private static Settings settings(int seeds, Set<String> methods) {
    return new Settings(
        RECIPE,
        RECIPE.withMethods(methods).methods(),
        seeds,
        Optional.empty(),
        Path.of("target", "distill"),
        2,
        1,
        false);
  }
}
