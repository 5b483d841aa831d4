package org.retort.cli;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * What came out.
 *
 * @param settings what was run
 * @param teacher the teacher, if a row needed it
 * @param students of each row a run a seed, in the order of the seeds
 */
record Results(Settings settings, Optional<Run> teacher, Map<Row, List<Run>> students) {
  /**
   * One trained network.
   *
   * @param seed of its initial parameters and its batches
   * @param accuracyPercent on the test images
   * @param seconds that its training took
   * @param parameters how many it has
   * @param file its state dict, in the output folder
   */
  record Run(long seed, double accuracyPercent, double seconds, long parameters, String file) {}

  /** Returns a row's accuracy in percent. */
  Statistic accuracy(Row row) {
    return statistic(row, Run::accuracyPercent);
  }

  /** Returns the seconds a row takes for one seed. */
  Statistic seconds(Row row) {
    return statistic(row, Run::seconds);
  }

  /**
   * Returns by how many points a row is better than the student alone, seed by seed, if both ran.
   */
  Optional<Statistic> gain(Row row) {
    List<Run> runs = students.get(row);
    List<Run> alone = students.get(Row.STUDENT);
    if (row == Row.STUDENT || alone == null) {
      return Optional.empty();
    }
    double[] gains = new double[runs.size()];
    for (int i = 0; i < gains.length; i++) {
      gains[i] = runs.get(i).accuracyPercent() - alone.get(i).accuracyPercent();
    }
    return Optional.of(Statistic.of(gains));
  }

  private Statistic statistic(Row row, ToDoubleFunction<Run> value) {
    return Statistic.of(students.get(row).stream().mapToDouble(value).toArray());
  }
}
