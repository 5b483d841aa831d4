package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;

import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

final class PrecisionTest {
  private static final double ROUNDING = 0.02;

  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final SmallStep small = new SmallStep();

  @Test
  void bfloat16_ofTheStudent_roundsItsLossesAndNothingThatIsKept() {
    StepResult rounded =
        resultOf(UnaryOperator.identity(), builder -> builder.studentPrecision(Precision.BFLOAT16));
    small.run();
    assertRounded(rounded.crossEntropy(), small.result.crossEntropy());
    assertRounded(rounded.term(0), small.result.term(0));
  }

  @Test
  void bfloat16_ofTheTeacher_roundsDistillationOnly() {
    StepResult rounded =
        resultOf(teacher -> teacher.withPrecision(Precision.BFLOAT16), UnaryOperator.identity());
    small.run();
    assertThat(rounded.crossEntropy()).isEqualTo(small.result.crossEntropy());
    assertRounded(rounded.term(0), small.result.term(0));
  }

  private static void assertRounded(double actual, double exact) {
    assertThat(actual).isNotEqualTo(exact).isCloseTo(exact, within(ROUNDING * exact));
  }

  private static StepResult resultOf(
      UnaryOperator<Teacher> ofTeacher, UnaryOperator<TrainingStepBuilder> option) {
    try (SmallStep same = new SmallStep();
        TrainingStep step =
            option
                .apply(SmallStep.builder(same.student, ofTeacher.apply(Teacher.of(same.teacher))))
                .build()) {
      StepResult result = step.newResult();
      step.run(same.images, same.labels, null, result);
      assertThat(step.state().get("student.fc.weight").dtype().toScalarType().intern())
          .isEqualTo(ScalarType.Float);
      return result;
    }
  }

  @Test
  void precision_null_isRejected() {
    TrainingStepBuilder builder = SmallStep.builder(small.student, small.teacher);
    String rule = "TrainingStepBuilder.%s: precision must be given (got null)";
    assertIllegal(() -> builder.studentPrecision(null), rule.formatted("studentPrecision"));
    assertIllegal(
        () -> Teacher.of(small.teacher).withPrecision(null),
        "Teacher: precision must be given (got null)");
  }
}
