package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

final class TapsTest {
  @Test
  void of_names_areThoseOfBothNetworks() {
    assertThat(Taps.of("layer2", "layer3"))
        .isEqualTo(new Taps(List.of("layer2", "layer3"), List.of("layer2", "layer3")));
  }

  @Test
  void constructor_differentCounts_isRejected() {
    assertIllegal(
        () -> new Taps(List.of("a", "b"), List.of("c")),
        "Taps: student and teacher must have the same number of taps (got 2 and 1)");
  }

  @Test
  void constructor_null_isRejected() {
    assertIllegal(() -> new Taps(null, List.of()), "Taps: student must be given (got null)");
    assertIllegal(
        () -> new Taps(List.of("a"), Arrays.asList((String) null)),
        "Taps: teacher tap must be given (got null)");
    assertIllegal(() -> Taps.of((String[]) null), "Taps.of: taps must be given (got null)");
    assertIllegal(() -> Taps.of("a", null), "Taps.of: tap must be given (got null)");
  }
}
