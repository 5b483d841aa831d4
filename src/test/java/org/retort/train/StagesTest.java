package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;

/** What each stage of a training has for itself. */
final class StagesTest {
  private static final KdLoss KD = KdLoss.of(4);
  private static final Stage STAGE = Stage.of(Sgd.of(0.1));

  @TempDir private Path folder;

  @Test
  void stages_haveLossesAnOptimizerAndPartsOfTheirOwn() {
    try (LinearStep linear =
        new LinearStep(
            folder,
            builder ->
                builder.stages(
                    Stage.of(Sgd.of(0.5).withMomentum(0.9))
                        .withCrossEntropy(0)
                        .add(1, KD)
                        .add(1, NstLoss.linear(), Taps.of("0"))
                        .withTrainOnly("bias")
                        .withSteps(2),
                    Stage.of(Adam.of(0.01)).withSteps(1),
                    Stage.of(Sgd.of(0.1)).add(2, KdLoss.of(1))))) {
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
                builder
                    .crossEntropy(0)
                    .add(Term.of(2, KD).withSchedule(Schedule.constant().withWarmup(2))))) {
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
                .stages(
                    STAGE.add(1, NstLoss.linear(), Taps.of("layer2", "layer1")).withSteps(1),
                    STAGE.add(1, NstLoss.linear(), Taps.of("layer1", "layer3")))
                .build()) {
      assertThat(step.teacherTaps()).containsExactly("layer2", "layer1", "layer3");
      assertThat(small.step.teacherTaps()).isEmpty();
    }
  }

  @Test
  void trainOnly_unknownPart_isRefused() {
    assertRefused(
        () -> new LinearStep(folder, builder -> builder.trainOnly("fc")),
        "TrainingStep: trained part must be a parameter of the student or a module with one (got"
            + " fc)");
  }

  @Test
  void argument_wrong_isRejected() {
    assertIllegal(() -> STAGE.withSteps(-1), "Stage: steps must be at least 0 (got -1)");
    assertIllegal(
        () -> STAGE.withTrainOnly(), "Stage.withTrainOnly: parts must be at least one (got none)");
    assertIllegal(
        () -> STAGE.withTrainOnly("weight", null),
        "Stage.withTrainOnly: parts[1] must be given (got null)");
    assertIllegal(
        () -> STAGE.withCrossEntropy(null), "Stage: cross-entropy must be given (got null)");
    assertIllegal(() -> STAGE.withOptimizer(null), "Stage: optimizer must be given (got null)");
    assertIllegal(
        () -> Term.of(1, KD).withSchedule(null), "Term: schedule must be given (got null)");
  }

  @Test
  void stages_thatDoNotFollowEachOther_areRejected() {
    assertStages("stages must be at least one (got none)");
    assertStages("stages[1] must be given (got null)", STAGE.withSteps(1), null);
    assertStages(
        "steps must be positive for all but the last stage (got 0 for stage 0)", STAGE, STAGE);
    assertStages("steps must be 0 for the last stage (got 2 for stage 0)", STAGE.withSteps(2));
  }

  private void assertStages(String message, Stage... stages) {
    assertIllegal(
        () -> new LinearStep(folder, builder -> builder.stages(stages)),
        "TrainingStepBuilder.stages: " + message);
  }

  @Test
  void shortForms_changeTheOnlyStage() {
    try (LinearStep linear =
        new LinearStep(folder, builder -> builder.stages(STAGE).optimizer(Sgd.of(0.25)))) {
      assertThat(linear.step.learningRate()).isEqualTo(0.25);
    }
    assertIllegal(
        () ->
            new LinearStep(
                folder, builder -> builder.stages(STAGE.withSteps(1), STAGE).crossEntropy(0.5)),
        "TrainingStepBuilder.crossEntropy: stages must be one (got 2)");
  }
}
