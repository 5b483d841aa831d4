package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.file.Path;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class CrossEntropyTest {
  private static final CrossEntropy PLAIN = CrossEntropy.of(1);

  @AutoClose private final PointerScope scope = new PointerScope();
  @TempDir private Path folder;

  @Test
  void labelSmoothing_isPyTorchs() {
    assertValue(PLAIN.withLabelSmoothing(0.1), new TensorOptional(), 0.1);
  }

  @Test
  void classWeights_arePyTorchs() {
    TensorOptional weights = new TensorOptional(Tensor.create(1f, 0f, 3f));
    assertValue(PLAIN.withClassWeights(1, 0, 3), weights, 0);
    assertValue(PLAIN.withClassWeights(1, 0, 3).withLabelSmoothing(0.1), weights, 0.1);
  }

  private void assertValue(CrossEntropy crossEntropy, TensorOptional weights, double smoothing) {
    try (LinearStep linear = step(crossEntropy)) {
      Tensor logits = linear.student.predict(linear.images);
      Tensor labels = Tensor.create(0L, 2L, 1L, 2L);
      double expected =
          torch.cross_entropy_loss(logits, labels, weights, 1, -1, smoothing).item_double();
      linear.run();
      assertThat(linear.result.crossEntropy()).isCloseTo(expected, within(1e-6));
      assertThat(linear.result.total()).isCloseTo(expected, within(1e-6));
    }
  }

  @Test
  void weight_withASchedule_changesWithTheSteps() {
    try (LinearStep linear =
        step(CrossEntropy.of(2).withSchedule(Schedule.milestones(0.5, 1, 2)))) {
      for (double weight : new double[] {2, 1, 0.5}) {
        linear.run();
        assertThat(linear.result.total())
            .isCloseTo(weight * linear.result.crossEntropy(), within(1e-6));
      }
    }
  }

  @Test
  void classWeights_notOneAClass_areRefused() {
    assertRefused(
        () -> step(PLAIN.withClassWeights(1, 2)),
        "cross_entropy_loss: class_weights must be one for each of 3 classes (got 2)");
  }

  private LinearStep step(CrossEntropy crossEntropy) {
    return new LinearStep(folder, builder -> builder.crossEntropy(crossEntropy));
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void weight_negativeOrNotFinite_isRejected(double weight) {
    String rule = "weight must be at least 0 and finite (got " + weight + ")";
    assertIllegal(() -> CrossEntropy.of(weight), "CrossEntropy: " + rule);
    assertIllegal(() -> PLAIN.withClassWeights(1, weight), "CrossEntropy: class " + rule);
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
  void labelSmoothing_outOfRange_isRejected(double smoothing) {
    assertIllegal(
        () -> PLAIN.withLabelSmoothing(smoothing),
        "CrossEntropy: label smoothing must be between 0 and 1 (got " + smoothing + ")");
  }

  @Test
  void argument_missing_isRejected() {
    assertIllegal(
        () -> PLAIN.withClassWeights(0, 0),
        "CrossEntropy: class weights must not all be 0 (got [0.0, 0.0])");
    assertIllegal(
        () -> PLAIN.withClassWeights((double[]) null),
        "CrossEntropy: class weights must be given (got null)");
    assertIllegal(
        () -> PLAIN.withSchedule(null), "CrossEntropy: schedule must be given (got null)");
  }
}
