package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.cli.Pictures.colours;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("nightly")
final class HistoryPlotTest {
  @Test
  void ofAccuracy_twoMethods_hasMoreColoursThanOne() {
    assertThat(colours(HistoryPlot.ofAccuracy(Samples.threeSeeds())))
        .hasSizeGreaterThan(colours(HistoryPlot.ofAccuracy(Samples.studentAlone())).size());
  }

  @Test
  void ofLosses_methodWithATerm_hasMoreColoursThanOneWithout() {
    Results results = Samples.threeSeeds();
    assertThat(colours(HistoryPlot.ofLosses(results, Samples.method("kd"))))
        .hasSizeGreaterThan(
            colours(HistoryPlot.ofLosses(results, Samples.method("student"))).size());
  }
}
