package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.file.Path;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;

/** What each stage of a training has for itself. */
final class StagesTest {
  private static final KdLoss KD = KdLoss.withTemperature(4);

  @TempDir private Path folder;

  @Test
  void nextStage_hasLossesAnOptimizerAndPartsOfItsOwn() {
    try (LinearStep linear =
        new LinearStep(
            folder,
            builder ->
                builder
                    .crossEntropy(0)
                    .add(1, KD)
                    .add(1, NstLoss.linear(), Taps.of("0"))
                    .optimizer(Sgd.learningRate(0.5).momentum(0.9))
                    .train("bias")
                    .nextStage(2)
                    .optimizer(Adam.learningRate(0.01))
                    .nextStage(1)
                    .add(2, KdLoss.withTemperature(1)))) {
      for (int i = 0; i < 2; i++) {
        assertThat(linear.step.stage()).isZero();
        assertThat(linear.change(1, LinearStep.WEIGHT)).containsOnly(0);
        assertResult(linear.result, 0, 2, 0.5);
        assertThat(linear.result.crossEntropy()).isZero();
      }
      assertThat(linear.step.state()).containsKey("exp_avg.student.weight");

      assertThat(linear.change(1, LinearStep.WEIGHT)).doesNotContain(0);
      assertResult(linear.result, 1, 0, 0.01);
      assertThat(linear.result.total()).isEqualTo(linear.result.crossEntropy());

      assertThat(linear.step.stage()).isEqualTo(2);
      linear.run();
      assertResult(linear.result, 2, 1, 0.1);
      assertThat(linear.result.total())
          .isCloseTo(linear.result.crossEntropy() + 2 * linear.result.term(0), within(1e-6));
      assertThat(linear.step.steps()).isEqualTo(4);
    }
  }

  private static void assertResult(StepResult result, int stage, int terms, double rate) {
    assertThat(result.stage()).isEqualTo(stage);
    assertThat(result.terms()).isEqualTo(terms);
    assertThat(result.learningRate()).isEqualTo(rate);
  }

  @Test
  void add_withASchedule_changesTheWeight() {
    try (LinearStep linear =
        new LinearStep(
            folder,
            builder ->
                builder.crossEntropy(0).add(2, KD, Taps.of(), Schedule.constant().warmUp(2)))) {
      for (double weight : new double[] {0, 1, 2}) {
        linear.run();
        assertThat(linear.result.term(0)).isPositive();
        assertThat(linear.result.total()).isCloseTo(weight * linear.result.term(0), within(1e-6));
      }
    }
  }

  @Test
  void teacherTaps_areEachThereOnce() {
    try (SmallStep small = new SmallStep();
        TrainingStep step =
            SmallStep.builder(small.student, small.teacher)
                .add(1, NstLoss.linear(), Taps.of("layer2", "layer1"))
                .nextStage(1)
                .add(1, NstLoss.linear(), Taps.of("layer1", "layer3"))
                .build()) {
      assertThat(step.teacherTaps()).containsExactly("layer2", "layer1", "layer3");
      assertThat(small.step.teacherTaps()).isEmpty();
    }
  }

  @Test
  void train_unknownPart_isRefused() {
    assertRefused(
        () -> new LinearStep(folder, builder -> builder.train("fc")),
        "TrainingStep: trained part must be a parameter of the student or a module with one (got"
            + " fc)");
  }

  @Test
  void argument_wrong_isRejected() {
    assertBuilding(builder -> builder.nextStage(0), "nextStage: steps must be at least 1 (got 0)");
    assertBuilding(builder -> builder.train(), "train: parts must be at least one (got none)");
    assertBuilding(
        builder -> builder.train("weight", null), "train: parts[1] must be given (got null)");
    assertBuilding(
        builder -> builder.crossEntropy(null),
        "crossEntropy: cross-entropy must be given (got null)");
    assertBuilding(
        builder -> builder.add(1, KD, Taps.of(), null), "add: schedule must be given (got null)");
  }

  private void assertBuilding(UnaryOperator<TrainingStep.Builder> option, String message) {
    assertIllegal(() -> new LinearStep(folder, option), "TrainingStep.Builder." + message);
  }
}
