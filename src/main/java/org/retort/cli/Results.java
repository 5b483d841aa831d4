package org.retort.cli;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import org.retort.recipes.Method;

/**
 * The results of the runs.
 *
 * @param settings what was run
 * @param teachers the teachers by the names of their runs, if a method needed them
 * @param students the students of each method, by its name, one run per seed, in the order of the
 *     seeds
 */
record Results(Settings settings, Map<String, Run> teachers, Map<String, List<Run>> students) {
  /** Returns a method's runs. */
  List<Run> runs(Method method) {
    return students.get(method.name());
  }

  /** Returns a method's accuracy in percent. */
  Statistic accuracy(Method method) {
    return statistic(method, Run::accuracyPercent);
  }

  /** Returns the seconds that a method takes for one seed. */
  Statistic seconds(Method method) {
    return statistic(method, Run::seconds);
  }

  /** Returns how many points a method gains over the student alone, seed by seed, if both ran. */
  Optional<Statistic> gain(Method method) {
    return settings
        .baseline()
        .filter(baseline -> !baseline.equals(method))
        .map(baseline -> gain(runs(method), runs(baseline)));
  }

  private static Statistic gain(List<Run> runs, List<Run> alone) {
    double[] gains = new double[runs.size()];
    for (int i = 0; i < gains.length; i++) {
      gains[i] = runs.get(i).accuracyPercent() - alone.get(i).accuracyPercent();
    }
    return Statistic.of(gains);
  }

  private Statistic statistic(Method method, ToDoubleFunction<Run> value) {
    return Statistic.of(runs(method).stream().mapToDouble(value).toArray());
  }
}
