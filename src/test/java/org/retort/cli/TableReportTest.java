package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class TableReportTest {
  @Test
  void of_severalSeeds_showsMeansAndDeviations() {
    assertThat(TableReport.of(Samples.threeSeeds()))
        .isEqualToNormalizingNewlines(
            """
            method         accuracy %    gain over the student alone  seconds a seed
            teacher        99.72                                      6.0
            student alone  88.00 ± 3.00                               2.0
            KD             99.50 ± 0.50  +11.50 ± 3.50                2.0
            """);
  }

  @Test
  void of_oneSeed_showsNoDeviation() {
    assertThat(TableReport.of(Samples.studentAlone()))
        .isEqualToNormalizingNewlines(
            """
            method         accuracy %  gain over the student alone  seconds a seed
            student alone  88.00                                    1.0
            """);
  }
}
