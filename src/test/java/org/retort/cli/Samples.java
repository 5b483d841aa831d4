package org.retort.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.retort.recipes.Method;
import org.retort.recipes.Recipe;
import org.retort.recipes.Recipes;

/** Made-up results for the tests of the reports. */
final class Samples {
  private static final Recipe RECIPE = Recipes.load("digits");
  private static final Run TEACHER =
      new Run(0, 99.72, 6.04, 272_186, "teacher.pt", List.of(epoch(0, Map.of())));

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
        false);
  }
}
