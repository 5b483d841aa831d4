package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;
import static org.retort.testing.Failures.assertUnusable;

import java.nio.FloatBuffer;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.retort.NonFiniteException;
import org.retort.testing.Buffers;

final class LateResultsTest {
  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final SmallStep small = new SmallStep();
  @AutoClose private final SmallStep other = new SmallStep();
  @AutoClose private TrainingStep late = build(builder -> builder.lateResults(true));

  private TrainingStep build(UnaryOperator<TrainingStepBuilder> option) {
    return option.apply(SmallStep.builder(other.student, other.teacher)).build();
  }

  private StepResult run() {
    StepResult result = late.newResult();
    late.run(other.images, other.labels, null, result);
    return result;
  }

  @Test
  void run_late_reportsTheStepBefore() {
    small.run();
    assertThat(run().samples()).isZero();
    StepResult first = run();
    assertThat(first.samples()).isEqualTo(small.result.samples());
    assertThat(first.updated()).isTrue();
    assertThat(first.graph()).isFalse();
    assertThat(first.nanoseconds()).isPositive();
    assertThat(first.total()).isCloseTo(small.result.total(), within(1e-5 * small.result.total()));
    assertThat(late.steps()).isEqualTo(2);
  }

  @Test
  void finish_reportsTheLastStepOnce() {
    small.run();
    run();
    StepResult result = late.newResult();
    assertThat(late.finish(result)).isTrue();
    assertThat(result.crossEntropy())
        .isCloseTo(small.result.crossEntropy(), within(1e-5 * small.result.crossEntropy()));
    assertThat(late.finish(result)).isFalse();
    assertThat(small.step.finish(result)).as("nothing is late").isFalse();
  }

  @Test
  void failure_isToldOnce_byTheNextCall() {
    run();
    FloatBuffer images = Buffers.random(7, SmallStep.BATCH * SmallStep.IMAGE).put(0, Float.NaN);
    StepResult result = late.newResult();
    late.run(images, other.labels, null, result);
    assertThat(late.steps()).isEqualTo(1);
    assertThatThrownBy(this::run).isInstanceOf(NonFiniteException.class);
    assertThat(run().samples()).isZero();
    assertThat(run().samples()).isPositive();
    assertThat(late.steps()).isEqualTo(3);
  }

  @Test
  void finish_onWhatIsWrong_fails() {
    String function = "TrainingStep.finish";
    assertIllegal(() -> late.finish(null), function + ": result must be given (got null)");
    StepResult tooSmall = new StepResult(0);
    assertIllegal(
        () -> late.finish(tooSmall),
        function + ": result must have room for 1 terms (got room for 0)");
    StepResult result = late.newResult();
    late.close();
    assertUnusable(
        () -> late.finish(result), "TrainingStep: object must be open (got a closed one)");
    assertUnusable(
        () -> late.graphObstacle(), "TrainingStep: object must be open (got a closed one)");
  }

  @Test
  void cudaGraph_onTheCpu_isRefused() {
    assertThat(late.graphObstacle()).isEqualTo("no graph is wanted");
    assertRefused(
        () -> build(builder -> builder.cudaGraph(true)),
        "TrainingStep: student must be on a GPU for a CUDA graph (got cpu)");
  }

  @Test
  void float16_roundsAndLearns() {
    small.run();
    late.close();
    late = build(builder -> builder.studentPrecision(Precision.FLOAT16));
    StepResult first = run();
    assertThat(first.skipped()).isFalse();
    double exact = small.result.crossEntropy();
    assertThat(first.crossEntropy()).isNotEqualTo(exact).isCloseTo(exact, within(0.01 * exact));
    assertThat(late.steps()).isEqualTo(1);
  }
}
