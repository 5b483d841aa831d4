package org.retort.cli;

import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.retort.recipes.Method;

/** The results as tables for other programs. Names contain no commas. */
final class CsvReport {
  private CsvReport() {}

  /** Returns one line per run. */
  static String runs(Results results) {
    StringBuilder csv = new StringBuilder();
    line(csv, "method", "seed", "accuracy_percent", "seconds", "parameters", "file");
    forEachRun(
        results,
        (method, run) ->
            line(
                csv,
                method,
                run.seed(),
                run.accuracyPercent(),
                run.seconds(),
                run.parameters(),
                run.file()));
    return csv.toString();
  }

  /** Returns one line per epoch of each run, with a column for each distillation loss. */
  static String history(Results results) {
    Set<String> terms = new LinkedHashSet<>();
    forEachRun(
        results,
        (method, run) -> run.history().forEach(epoch -> terms.addAll(epoch.terms().keySet())));
    StringBuilder csv = new StringBuilder();
    line(
        csv,
        Stream.concat(
                Stream.of(
                    "method",
                    "seed",
                    "stage",
                    "epoch",
                    "accuracy_percent",
                    "train_accuracy_percent",
                    "learning_rate",
                    "seconds",
                    "loss",
                    "cross_entropy"),
                terms.stream())
            .toArray());
    forEachRun(
        results,
        (method, run) -> run.history().forEach(epoch -> line(csv, method, run, epoch, terms)));
    return csv.toString();
  }

  private static void line(
      StringBuilder csv, String method, Run run, Run.Epoch epoch, Set<String> terms) {
    line(
        csv,
        Stream.concat(
                Stream.of(
                    method,
                    run.seed(),
                    epoch.stage(),
                    epoch.epoch(),
                    epoch.accuracyPercent(),
                    Objects.requireNonNullElse(epoch.trainAccuracyPercent(), ""),
                    epoch.learningRate(),
                    epoch.seconds(),
                    epoch.loss(),
                    epoch.crossEntropy()),
                terms.stream().map(term -> Objects.requireNonNullElse(epoch.terms().get(term), "")))
            .toArray());
  }

  private static void forEachRun(Results results, BiConsumer<String, Run> action) {
    results.teachers().forEach(action);
    List<Method> methods = results.settings().methods();
    methods.forEach(
        method -> results.runs(method).forEach(run -> action.accept(method.name(), run)));
  }

  private static void line(StringBuilder csv, Object... cells) {
    csv.append(Arrays.stream(cells).map(Object::toString).collect(Collectors.joining(",")))
        .append('\n');
  }
}
