package org.retort.cli;

import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.retort.cli.Results.Run;

/** Made-up results for the tests of the reports. */
final class Samples {
  private static final Run TEACHER = new Run(0, 99.72, 6.04, 272_186, "teacher.pt");

  private Samples() {}

  /** Returns the results of a teacher and two rows over three seeds. */
  static Results threeSeeds() {
    Map<Row, List<Run>> students = new EnumMap<>(Row.class);
    students.put(Row.STUDENT, runs(Row.STUDENT, 88, 91, 85));
    students.put(Row.KD, runs(Row.KD, 99.5, 99, 100));
    return new Results(
        settings(3, EnumSet.of(Row.STUDENT, Row.KD)), Optional.of(TEACHER), students);
  }

  /** Returns the results of the student alone, without a teacher, for one seed. */
  static Results studentAlone() {
    return new Results(
        settings(1, EnumSet.of(Row.STUDENT)),
        Optional.empty(),
        Map.of(Row.STUDENT, runs(Row.STUDENT, 88)));
  }

  /** Returns the results of a teacher and KD, without the student alone, for one seed. */
  static Results kdOnly() {
    return new Results(
        settings(1, EnumSet.of(Row.KD)), Optional.of(TEACHER), Map.of(Row.KD, runs(Row.KD, 99.5)));
  }

  private static List<Run> runs(Row row, double... percents) {
    return IntStream.range(0, percents.length)
        .mapToObj(
            seed ->
                new Run(seed, percents[seed], seed + 1, 77_754, row.id() + "-seed" + seed + ".pt"))
        .toList();
  }

  private static Settings settings(int seeds, Set<Row> rows) {
    return new Settings(
        Collections.unmodifiableSet(rows),
        Row.defaultWeights(),
        seeds,
        15,
        20,
        5,
        Path.of("target", "distill"),
        2);
  }
}
