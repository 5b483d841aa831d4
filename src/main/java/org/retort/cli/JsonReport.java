package org.retort.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.retort.recipes.Method;

/** The results as JSON; the {@link ExperimentReport} says what was run. */
final class JsonReport {
  private record Document(String recipe, Map<String, Network> teachers, List<Student> students) {}

  private record Student(
      String method,
      String title,
      Statistic accuracyPercent,
      Statistic gainPoints,
      Statistic seconds,
      List<Network> runs) {}

  private record Network(
      long seed, double accuracyPercent, double seconds, long parameters, String file) {
    static Network of(Run run) {
      return new Network(
          run.seed(), run.accuracyPercent(), run.seconds(), run.parameters(), run.file());
    }
  }

  private JsonReport() {}

  /** Returns the document. */
  static String of(Results results) {
    return Json.of(
        new Document(
            results.settings().recipe().name(),
            teachers(results),
            results.settings().methods().stream()
                .map(method -> student(results, method))
                .toList()));
  }

  private static Map<String, Network> teachers(Results results) {
    Map<String, Network> teachers = new LinkedHashMap<>();
    results.teachers().forEach((name, run) -> teachers.put(name, Network.of(run)));
    return teachers;
  }

  private static Student student(Results results, Method method) {
    return new Student(
        method.name(),
        method.title(),
        results.accuracy(method),
        results.gain(method).orElse(null),
        results.seconds(method),
        results.runs(method).stream().map(Network::of).toList());
  }
}
