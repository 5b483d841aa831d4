package org.retort.train;

import static org.retort.testing.Failures.assertIllegal;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class SgdTest {
  private static final Sgd SGD = Sgd.learningRate(0.1);

  @ParameterizedTest
  @ValueSource(doubles = {0, -0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void learningRate_notPositiveAndFinite_isRejected(double rate) {
    assertIllegal(
        () -> Sgd.learningRate(rate),
        "Sgd.learningRate: learning rate must be positive and finite (got " + rate + ")");
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, -0.1, Double.NaN})
  void momentum_outOfRange_isRejected(double momentum) {
    assertIllegal(
        () -> SGD.momentum(momentum),
        "Sgd.momentum: momentum must be at least 0 and below 1 (got " + momentum + ")");
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void weightDecay_negativeOrNotFinite_isRejected(double decay) {
    assertIllegal(
        () -> SGD.weightDecay(decay),
        "Sgd.weightDecay: weight decay must be at least 0 and finite (got " + decay + ")");
  }
}
