package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.file.Path;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class AdamTest {
  private static final double RATE = 0.01;
  private static final Adam ADAM = Adam.of(RATE);

  @TempDir private Path folder;

  @Test
  void firstUpdate_isTheSignOfTheGradient() {
    assertFirstUpdate(ADAM, gradient -> -RATE * Math.signum(gradient));
  }

  @Test
  void epsilon_large_slowsSmallGradients() {
    assertFirstUpdate(ADAM.withEpsilon(1), gradient -> -RATE * gradient / (Math.abs(gradient) + 1));
  }

  @Test
  void weightDecay_isPartOfTheGradient() {
    assertFirstUpdate(ADAM.withWeightDecay(9), gradient -> -RATE * Math.signum(gradient + 9));
  }

  @Test
  void decoupledWeightDecay_isNotPartOfTheGradient() {
    assertFirstUpdate(
        ADAM.withDecoupled(true).withWeightDecay(9),
        gradient -> -RATE * 9 - RATE * Math.signum(gradient));
  }

  @Test
  void betas_zero_forgetEarlierGradients() {
    try (LinearStep linear = LinearStep.with(folder, ADAM.withBetas(0, 0))) {
      for (int i = 0; i < 3; i++) {
        assertThat(DoubleStream.of(linear.change(1, LinearStep.BIAS)).map(Math::abs).toArray())
            .containsExactly(new double[] {RATE, RATE, RATE}, within(1e-6));
      }
    }
  }

  @Test
  void commonOptions_areTaken() {
    Adam adam =
        ADAM.withDecoupled(true)
            .withWeightDecay(9)
            .withDecayNormsAndBiases(false)
            .withSchedule(Schedule.constant().withWarmup(2, 0.5))
            .withGroups(ParameterGroup.of(LinearStep.BIAS).withLearningRateFactor(4));
    assertFirstUpdate(adam, gradient -> -0.5 * 4 * RATE * Math.signum(gradient));
  }

  @Test
  void state_hasBothAverages() {
    try (LinearStep linear = LinearStep.with(folder, ADAM)) {
      linear.run();
      assertThat(linear.values("exp_avg.student.bias")).doesNotContain(0);
      assertThat(linear.values("exp_avg_sq.student.bias")).doesNotContain(0);
    }
  }

  /** Expects what an update changes the biases by, which are 1 before. */
  private void assertFirstUpdate(Adam adam, DoubleUnaryOperator changeOfGradient) {
    try (LinearStep plain = LinearStep.with(folder, Sgd.of(1));
        LinearStep linear = LinearStep.with(folder, adam)) {
      double[] gradients =
          DoubleStream.of(plain.change(1, LinearStep.BIAS)).map(change -> -change).toArray();
      assertThat(linear.change(1, LinearStep.BIAS))
          .containsExactly(
              DoubleStream.of(gradients).map(changeOfGradient).toArray(), within(1e-6));
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void number_notPositiveAndFinite_isRejected(double value) {
    String rule = " must be positive and finite (got " + value + ")";
    assertIllegal(() -> Adam.of(value), "Adam: learning rate" + rule);
    assertIllegal(() -> ADAM.withEpsilon(value), "Adam: epsilon" + rule);
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void weightDecay_negativeOrNotFinite_isRejected(double decay) {
    String rule = ": weight decay must be at least 0 and finite (got " + decay + ")";
    assertIllegal(() -> ADAM.withWeightDecay(decay), "Adam" + rule);
    assertIllegal(() -> ADAM.withDecoupled(true).withWeightDecay(decay), "Adam" + rule);
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, -0.1, Double.NaN})
  void betas_outOfRange_areRejected(double beta) {
    String rule = "Adam: betas must be at least 0 and below 1 (got %s and %s)";
    assertIllegal(() -> ADAM.withBetas(beta, 0.5), rule.formatted(beta, 0.5));
    assertIllegal(() -> ADAM.withBetas(0.5, beta), rule.formatted(0.5, beta));
  }
}
