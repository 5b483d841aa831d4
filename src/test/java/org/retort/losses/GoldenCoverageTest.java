package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.retort.testing.GoldenCases;

/** No golden case is passed over in silence. */
final class GoldenCoverageTest {
  static List<String> casesOfMissingLosses() throws IOException {
    return GoldenCases.names("").stream()
        .filter(name -> !name.startsWith("step_"))
        .filter(name -> !GoldenCases.missingLosses(name).isEmpty())
        .toList();
  }

  @ParameterizedTest(name = "{0}", allowZeroInvocations = true)
  @MethodSource("casesOfMissingLosses")
  void compute_golden_waitsForItsLoss(String name) {
    GoldenCases.assumeBuilt(name);
  }

  @Test
  void builtLosses_each_hasATest() {
    assertThat(GoldenCases.builtLosses()).contains("kd");
    for (String loss : GoldenCases.builtLosses()) {
      String type = loss.substring(0, 1).toUpperCase(Locale.ROOT) + loss.substring(1);
      assertThatCode(() -> Class.forName("org.retort.losses." + type + "LossTest"))
          .doesNotThrowAnyException();
    }
  }
}
