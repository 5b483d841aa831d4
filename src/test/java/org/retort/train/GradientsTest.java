package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.testing.Buffers;

/** What happens to gradients between the losses and the optimizer, whose rate here is 1. */
final class GradientsTest {
  @TempDir private Path folder;

  @Test
  void accumulate_twoHalves_equalsTheWholeBatch() {
    try (LinearStep whole = new LinearStep(folder, builder -> builder);
        LinearStep halves = new LinearStep(folder, builder -> builder.accumulate(2))) {
      whole.run();
      double[] before = halves.values(LinearStep.WEIGHT);

      runHalf(halves, 0);
      assertThat(halves.result.updated()).isFalse();
      assertThat(halves.step.steps()).isZero();
      assertThat(halves.values(LinearStep.WEIGHT)).isEqualTo(before);

      runHalf(halves, 1);
      assertThat(halves.result.updated()).isTrue();
      assertThat(halves.step.steps()).isEqualTo(1);
      assertThat(halves.values(LinearStep.WEIGHT))
          .containsExactly(whole.values(LinearStep.WEIGHT), within(1e-6));
      assertThat(halves.result.gradientNorm()).isCloseTo(whole.result.gradientNorm(), within(1e-6));
    }
  }

  private static void runHalf(LinearStep linear, int half) {
    int size = LinearStep.BATCH / 2;
    linear.step.run(
        linear.images.slice(half * size * LinearStep.IMAGE, size * LinearStep.IMAGE),
        linear.labels.slice(half * size, size),
        null,
        linear.result);
  }

  @Test
  void gradientNorm_isThatOfAllGradients() {
    try (LinearStep linear = new LinearStep(folder, builder -> builder)) {
      assertThat(norm(change(linear))).isCloseTo(linear.result.gradientNorm(), within(1e-6));
    }
  }

  @Test
  void clipNorm_limitsTheWholeChangeAndKeepsItsDirection() {
    try (LinearStep plain = new LinearStep(folder, builder -> builder);
        LinearStep clipped = new LinearStep(folder, builder -> builder.clipNorm(0.01))) {
      double[] change = change(plain);
      double norm = plain.result.gradientNorm();
      double[] expected = DoubleStream.of(change).map(value -> value * 0.01 / norm).toArray();
      assertThat(norm).isGreaterThan(0.01);
      assertThat(change(clipped)).containsExactly(expected, within(1e-6));
      assertThat(clipped.result.gradientNorm()).isEqualTo(norm);
    }
  }

  @Test
  void clipValue_limitsEachElement() {
    try (LinearStep plain = new LinearStep(folder, builder -> builder);
        LinearStep clipped = new LinearStep(folder, builder -> builder.clipValue(0.01))) {
      double[] expected =
          DoubleStream.of(change(plain))
              .map(value -> Math.max(-0.01, Math.min(value, 0.01)))
              .toArray();
      assertThat(change(clipped)).containsExactly(expected, within(1e-6));
    }
  }

  /** Returns what a step changes all parameters by. */
  private static double[] change(LinearStep linear) {
    double[] bias = linear.values(LinearStep.BIAS);
    double[] ofWeight = linear.change(1, LinearStep.WEIGHT);
    double[] after = linear.values(LinearStep.BIAS);
    double[] all = Arrays.copyOf(ofWeight, ofWeight.length + bias.length);
    for (int i = 0; i < bias.length; i++) {
      all[ofWeight.length + i] = after[i] - bias[i];
    }
    return all;
  }

  private static double norm(double[] values) {
    return Math.sqrt(DoubleStream.of(values).map(value -> value * value).sum());
  }

  @Test
  void skipNonFinite_passesOverABadBatch() {
    try (LinearStep linear =
            new LinearStep(
                folder,
                builder -> builder.skipNonFinite().optimizer(Sgd.of(0.1).withMomentum(0.9)));
        LinearStep untroubled = LinearStep.with(folder, Sgd.of(0.1).withMomentum(0.9))) {
      linear.run();
      FloatBuffer poisoned = Buffers.floats(LinearStep.BATCH * LinearStep.IMAGE).put(0, Float.NaN);
      linear.step.run(poisoned, linear.labels, null, linear.result);
      assertThat(linear.result.skipped()).isTrue();
      assertThat(linear.result.updated()).isFalse();
      assertThat(linear.step.steps()).isEqualTo(1);

      linear.run();
      assertThat(linear.result.skipped()).isFalse();
      untroubled.change(2, LinearStep.WEIGHT);
      assertThat(linear.values(LinearStep.WEIGHT)).isEqualTo(untroubled.values(LinearStep.WEIGHT));
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void limit_notPositiveAndFinite_isRejected(double limit) {
    String rule = ": limit must be positive and finite (got " + limit + ")";
    assertIllegal(
        () -> new LinearStep(folder, builder -> builder.clipNorm(limit)),
        "TrainingStepBuilder.clipNorm" + rule);
    assertIllegal(
        () -> new LinearStep(folder, builder -> builder.clipValue(limit)),
        "TrainingStepBuilder.clipValue" + rule);
  }

  @Test
  void accumulate_lessThanOne_isRejected() {
    assertIllegal(
        () -> new LinearStep(folder, builder -> builder.accumulate(0)),
        "TrainingStepBuilder.accumulate: batches must be at least 1 (got 0)");
  }
}
