package org.retort.cli;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.retort.data.Dataset;
import org.retort.models.Network;
import org.retort.models.Prediction;
import org.retort.models.Predictor;
import org.retort.models.SavedModel;
import org.retort.recipes.Experiment;
import org.retort.recipes.Method;
import org.retort.recipes.TeacherRecipe;
import org.retort.train.Metrics;

/**
 * Measures the teachers and the best student of each method class by class, saves the best student
 * overall as a model to be served, and writes the page that shows them side by side.
 */
final class StudentReport {
  /** Enough to find samples that networks get wrong. */
  private static final int MOST_CANDIDATES = 200;

  private static final int MOST_SAMPLES = 24;
  private static final int SHOWN_PREDICTIONS = 3;

  private final Results results;
  private final Experiment experiment;
  private final Dataset test;
  private final List<String> classNames;
  private final int[] candidates;
  private final List<ReportPage.Measured> measured = new ArrayList<>();
  private final List<List<List<Prediction>>> predictions = new ArrayList<>();

  private StudentReport(Results results, Experiment experiment) {
    this.results = results;
    this.experiment = experiment;
    test = experiment.test();
    classNames = test.classNames();
    int count = Math.min(MOST_CANDIDATES, test.size());
    candidates =
        IntStream.range(0, count).map(i -> (int) ((long) i * test.size() / count)).toArray();
  }

  /**
   * Measures the networks, saves the best student and writes the page.
   *
   * @param command the command line
   * @param withPictures whether to write pictures that need fonts
   * @return the title of the method whose student was saved
   */
  static String write(Results results, Experiment experiment, String command, boolean withPictures)
      throws IOException {
    return new StudentReport(results, experiment).write(command, withPictures);
  }

  private String write(String command, boolean withPictures) throws IOException {
    Path folder = results.settings().output();
    for (Map.Entry<String, Run> teacher : results.teachers().entrySet()) {
      try (Network network = experiment.teacher(recipe(teacher.getKey()))) {
        measure(teacher.getKey(), teacher.getValue(), network);
      }
    }
    Method best = results.settings().methods().stream().max(byBestRun()).orElseThrow();
    for (Method method : results.settings().methods()) {
      Run run = bestRun(method);
      try (Network network = experiment.student(run.seed())) {
        Metrics metrics = measure(method.title(), run, network);
        if (method == best) {
          SavedModel.save(folder, network, experiment.description());
          MetricsReport.write(folder, method.title(), classNames, metrics, withPictures);
        }
      }
    }
    ExperimentReport what = ExperimentReport.of(results.settings(), experiment, command);
    HtmlReport.write(
        folder.resolve("report.html"),
        new ReportPage(results, what, classNames, measured, samples()));
    return best.title();
  }

  private TeacherRecipe recipe(String run) {
    return experiment.recipe().teachers().stream()
        .filter(teacher -> teacher.run().equals(run))
        .findFirst()
        .orElseThrow();
  }

  private Comparator<Method> byBestRun() {
    return Comparator.comparingDouble(method -> bestRun(method).accuracyPercent());
  }

  /** Returns the most accurate student of a method; the first one in case of ties. */
  private Run bestRun(Method method) {
    return results.runs(method).stream()
        .reduce((one, other) -> other.accuracyPercent() > one.accuracyPercent() ? other : one)
        .orElseThrow();
  }

  private Metrics measure(String title, Run run, Network network) {
    network.loadStateDict(results.settings().output().resolve(run.file()));
    Metrics metrics = experiment.metrics(network);
    measured.add(new ReportPage.Measured(title, "seed " + run.seed(), metrics));
    try (Predictor predictor = Predictor.of(network, classNames)) {
      predictions.add(
          IntStream.of(candidates)
              .mapToObj(index -> predictor.top(SHOWN_PREDICTIONS, values(index)))
              .toList());
    }
    return metrics;
  }

  private float[] values(int index) {
    float[] values = new float[test.shape().values()];
    test.read(index, FloatBuffer.wrap(values));
    return values;
  }

  private List<ReportSample> samples() throws IOException {
    List<ReportSample> samples = new ArrayList<>();
    for (int i = 0; i < candidates.length; i++) {
      int at = i;
      int label = test.label(candidates[i]);
      if (label != Dataset.UNLABELED) {
        Stream<List<Prediction>> each = predictions.stream().map(network -> network.get(at));
        samples.add(
            ReportSample.of(
                "sample " + candidates[i],
                test.shape(),
                values(candidates[i]),
                label,
                each.toList()));
      }
    }
    return ReportSample.choose(samples, MOST_SAMPLES);
  }
}
