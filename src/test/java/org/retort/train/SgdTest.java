package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.file.Path;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class SgdTest {
  private static final Sgd SGD = Sgd.of(0.1);

  @TempDir private Path folder;

  @Test
  void momentum_secondUpdate_repeatsPartOfTheFirst() {
    double[] first = change(SGD, 1);
    double[] both = change(SGD, 2);
    double[] expected = new double[first.length];
    for (int i = 0; i < expected.length; i++) {
      expected[i] = both[i] + 0.5 * first[i];
    }
    assertThat(change(SGD.withMomentum(0.5), 2)).containsExactly(expected, within(1e-6));
  }

  @Test
  void nesterov_firstUpdate_looksAhead() {
    double[] expected = DoubleStream.of(change(SGD, 1)).map(change -> 1.5 * change).toArray();
    assertThat(change(SGD.withMomentum(0.5).withNesterov(true), 1))
        .containsExactly(expected, within(1e-6));
  }

  @Test
  void nesterov_withoutMomentum_isRefused() {
    assertRefused(
        () -> LinearStep.with(folder, SGD.withNesterov(true)),
        "Sgd: momentum must be positive for Nesterov's (got 0)");
  }

  @Test
  void weightDecay_biases_decayUnlessKept() {
    Sgd decaying = SGD.withWeightDecay(0.5);
    double[] plain = change(SGD, 1);
    double[] decayed = DoubleStream.of(plain).map(change -> change - 0.1 * 0.5).toArray();
    assertThat(change(decaying, 1)).containsExactly(decayed, within(1e-6));
    assertThat(change(decaying.withDecayNormsAndBiases(false), 1)).isEqualTo(plain);
  }

  @Test
  void options_ofACopy_leaveTheOriginal() {
    Sgd original = SGD.withMomentum(0.5);
    double[] before = change(original, 2);
    original.withWeightDecay(0.5).withMomentum(0.1);
    assertThat(change(original, 2)).isEqualTo(before);
  }

  /** Returns what some steps change the biases by, which are 1 at first. */
  private double[] change(Sgd sgd, int steps) {
    try (LinearStep linear = LinearStep.with(folder, sgd)) {
      return linear.change(steps, LinearStep.BIAS);
    }
  }

  @Test
  void schedule_null_isRejected() {
    assertIllegal(() -> SGD.withSchedule(null), "Sgd: schedule must be given (got null)");
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void learningRate_notPositiveAndFinite_isRejected(double rate) {
    assertIllegal(
        () -> Sgd.of(rate), "Sgd: learning rate must be positive and finite (got " + rate + ")");
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, -0.1, Double.NaN})
  void momentum_outOfRange_isRejected(double momentum) {
    assertIllegal(
        () -> SGD.withMomentum(momentum),
        "Sgd: momentum must be at least 0 and below 1 (got " + momentum + ")");
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void weightDecay_negativeOrNotFinite_isRejected(double decay) {
    assertIllegal(
        () -> SGD.withWeightDecay(decay),
        "Sgd: weight decay must be at least 0 and finite (got " + decay + ")");
  }
}
