package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

final class MetricsTest {
  /** The last class has no samples and the third is never predicted. */
  private static final long[][] CONFUSION = {
    {6, 2, 0, 0},
    {1, 4, 0, 0},
    {1, 1, 0, 1},
    {0, 0, 0, 0}
  };

  private final Metrics metrics = Metrics.of(CONFUSION, 15);

  @Test
  void figures_ofAllClasses_areThoseOfTheCounts() {
    assertThat(metrics.classes()).isEqualTo(4);
    assertThat(metrics.samples()).isEqualTo(16);
    assertThat(metrics.correct()).isEqualTo(10);
    assertThat(metrics.inTop5()).isEqualTo(15);
    assertThat(metrics.accuracy()).isEqualTo(10 / 16.0);
    assertThat(metrics.top5Accuracy()).isEqualTo(15 / 16.0);
    assertThat(metrics.balancedAccuracy()).isEqualTo((6 / 8.0 + 4 / 5.0 + 0) / 3);
    assertThat(metrics.confusion(2, 3)).isEqualTo(1);
    assertThat(metrics.confusion(3, 2)).isZero();
  }

  @Test
  void figures_ofAClass_areThoseOfTheCounts() {
    assertThat(metrics.support(0)).isEqualTo(8);
    assertThat(metrics.predictions(0)).isEqualTo(8);
    assertThat(metrics.recall(0)).hasValue(6 / 8.0);
    assertThat(metrics.precision(0)).hasValue(6 / 8.0);
    assertThat(metrics.recall(1)).hasValue(4 / 5.0);
    assertThat(metrics.precision(1)).hasValue(4 / 7.0);
    assertThat(metrics.f1(1)).hasValue(8 / 12.0);
  }

  @Test
  void figures_thatAreNotDefined_areEmpty() {
    assertThat(metrics.precision(2)).isEmpty();
    assertThat(metrics.recall(2)).hasValue(0);
    assertThat(metrics.f1(2)).hasValue(0);
    assertThat(metrics.recall(3)).isEmpty();
    assertThat(metrics.precision(3)).hasValue(0);
    assertThat(Metrics.of(new long[][] {{1, 0}, {0, 0}}, 1).f1(1))
        .isEqualTo(OptionalDouble.empty());
  }

  @Test
  void of_matrix_isCopied() {
    long[][] mine = {{3, 1}, {0, 2}};
    Metrics copy = Metrics.of(mine, 6);
    mine[0][1] = 100;
    assertThat(copy.confusion(0, 1)).isEqualTo(1);
    assertThat(copy).isEqualTo(Metrics.of(new long[][] {{3, 1}, {0, 2}}, 6));
    assertThat(copy).hasSameHashCodeAs(Metrics.of(new long[][] {{3, 1}, {0, 2}}, 6));
    assertThat(copy).isNotEqualTo(Metrics.of(mine, 6));
    assertThat(copy).isNotEqualTo(Metrics.of(new long[][] {{3, 1}, {0, 2}}, 5));
    assertThat(copy).hasToString("Metrics[classes=2, samples=6, correct=5, inTop5=6]");
  }

  @Test
  void of_badCounts_throws() {
    assertRefused(null, 0, "confusion must be given (got null)");
    assertRefused(new long[0][], 0, "confusion must have a class (got none)");
    assertRefused(
        new long[][] {{1}, null},
        0,
        "confusion must have 2 counts for each class (got 1 for class 0)");
    assertRefused(new long[][] {{1, 0}, null}, 0, "confusion[1] must be given (got null)");
    assertRefused(new long[][] {{1, 0}, {0, -1}}, 0, "confusion must be at least 0 (got -1)");
    assertRefused(new long[][] {{0, 0}, {0, 0}}, 0, "confusion must count a sample (got none)");
    assertRefused(new long[][] {{3, 1}, {0, 2}}, 4, "inTop5 must be between 5 and 6 (got 4)");
    assertRefused(new long[][] {{3, 1}, {0, 2}}, 7, "inTop5 must be between 5 and 6 (got 7)");
  }

  private static void assertRefused(long[][] confusion, long inTop5, String rule) {
    assertThatThrownBy(() -> Metrics.of(confusion, inTop5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Metrics.of: " + rule);
  }

  @Test
  void figure_ofNoClass_throws() {
    assertThatThrownBy(() -> metrics.recall(4))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Metrics.recall: label must be between 0 and 3 (got 4)");
    assertThatThrownBy(() -> metrics.confusion(0, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Metrics.confusion: predicted must be between 0 and 3 (got -1)");
  }
}
