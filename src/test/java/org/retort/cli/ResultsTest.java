package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class ResultsTest {
  @Test
  void gain_bothRan_isTakenSeedBySeed() {
    // 99.5 - 88, 99 - 91, 100 - 85
    assertThat(Samples.threeSeeds().gain(Samples.method("kd"))).contains(Statistic.of(11.5, 8, 15));
  }

  @Test
  void gain_ofTheStudentAlone_isAbsent() {
    assertThat(Samples.threeSeeds().gain(Samples.method("student"))).isEmpty();
  }

  @Test
  void gain_studentAloneDidNotRun_isAbsent() {
    assertThat(Samples.kdOnly().gain(Samples.method("kd"))).isEmpty();
  }

  @Test
  void accuracyAndSeconds_always_summariseTheRuns() {
    assertThat(Samples.threeSeeds().accuracy(Samples.method("student")))
        .isEqualTo(new Statistic(88, 3.0));
    assertThat(Samples.threeSeeds().seconds(Samples.method("student")))
        .isEqualTo(new Statistic(2, 1.0));
  }
}
