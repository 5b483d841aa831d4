package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class StatisticTest {
  @Test
  void of_values_hasMeanAndSampleDeviation() {
    assertThat(Statistic.of(1, 2, 6)).isEqualTo(new Statistic(3, Math.sqrt(7)));
  }

  @Test
  void of_oneValue_hasNoDeviation() {
    assertThat(Statistic.of(4)).isEqualTo(new Statistic(4, null));
  }
}
