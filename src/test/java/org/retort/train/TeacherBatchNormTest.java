package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.ByteBuffer;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.retort.testing.Bits;

final class TeacherBatchNormTest {
  @Test
  void evaluation_isTheDefault() {
    try (SmallStep small = new SmallStep()) {
      small.run();
      assertThat(termOf(TeacherBatchNorm.EVALUATION, false)).isEqualTo(small.result.term(0));
    }
  }

  @Test
  void training_usesTheBatchAndMovesTheStatistics() {
    assertThat(termOf(TeacherBatchNorm.TRAINING, true))
        .isNotEqualTo(termOf(TeacherBatchNorm.EVALUATION, false));
  }

  @Test
  void batchStatistics_usesTheBatchAndMovesNothing() {
    assertThat(termOf(TeacherBatchNorm.BATCH_STATISTICS, false))
        .isEqualTo(termOf(TeacherBatchNorm.TRAINING, true));
  }

  /** Returns the distillation term of a step after a check of whether the teacher has changed. */
  private static double termOf(TeacherBatchNorm mode, boolean changesTeacher) {
    try (SmallStep small = new SmallStep();
        TrainingStep step =
            SmallStep.builder(small.student, Teacher.of(small.teacher).withBatchNorm(mode))
                .build()) {
      Map<String, ByteBuffer> before = Bits.of(small.teacher.stateDict());
      StepResult result = step.newResult();
      step.run(small.images, small.labels, null, result);
      assertThat(!Bits.of(small.teacher.stateDict()).equals(before)).isEqualTo(changesTeacher);
      return result.term(0);
    }
  }

  @Test
  void mode_null_isRejected() {
    try (SmallStep small = new SmallStep()) {
      assertIllegal(
          () -> Teacher.of(small.teacher).withBatchNorm(null),
          "Teacher: batch norm must be given (got null)");
    }
  }
}
