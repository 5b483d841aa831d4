package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.retort.models.Mlp;
import org.retort.models.Network;

final class MemoryFormatTest {
  private static final MemoryFormat CONTIGUOUS = MemoryFormat.CONTIGUOUS;
  private static final MemoryFormat CHANNELS_LAST = MemoryFormat.CHANNELS_LAST;

  @AutoClose private final SmallStep small = new SmallStep();

  @Test
  void format_ofOneNetworkOrBoth_isTakenAndChangesOnlyRounding() {
    small.run();
    assertFormats(small.result, CHANNELS_LAST, CHANNELS_LAST);
    assertStep(builder -> builder.studentFormat(CONTIGUOUS), CONTIGUOUS, CHANNELS_LAST);
    UnaryOperator<TrainingStepBuilder> none = UnaryOperator.identity();
    assertStep(teacher -> teacher.withMemoryFormat(CONTIGUOUS), none, CHANNELS_LAST, CONTIGUOUS);
    assertStep(
        teacher -> teacher.withMemoryFormat(CONTIGUOUS),
        builder -> builder.memoryFormat(CHANNELS_LAST),
        CHANNELS_LAST,
        CONTIGUOUS);
    assertStep(builder -> builder.memoryFormat(CONTIGUOUS), CONTIGUOUS, CONTIGUOUS);
    assertStep(builder -> builder.memoryFormat(CHANNELS_LAST), CHANNELS_LAST, CHANNELS_LAST);
  }

  @Test
  void format_ofInputsThatAreNoImages_isContiguousByDefault() {
    try (Network student = Mlp.of(4, 8, 3);
        TrainingStep step = TrainingStep.builder(student).inputShape(4).build()) {
      StepResult result = step.newResult();
      step.run(StepInput.of(new float[8], new long[2]), result);
      assertFormats(result, CONTIGUOUS, CONTIGUOUS);
    }
  }

  /** Expects the formats, and the loss of the step without them. */
  private void assertStep(
      UnaryOperator<TrainingStepBuilder> option, MemoryFormat ofStudent, MemoryFormat ofTeacher) {
    assertStep(UnaryOperator.identity(), option, ofStudent, ofTeacher);
  }

  private void assertStep(
      UnaryOperator<Teacher> teacherOption,
      UnaryOperator<TrainingStepBuilder> option,
      MemoryFormat ofStudent,
      MemoryFormat ofTeacher) {
    try (SmallStep same = new SmallStep();
        TrainingStep step =
            option
                .apply(
                    SmallStep.builder(same.student, teacherOption.apply(Teacher.of(same.teacher))))
                .build()) {
      StepResult result = step.newResult();
      step.run(same.images, same.labels, null, result);
      assertFormats(result, ofStudent, ofTeacher);
      assertThat(result.total()).isCloseTo(small.result.total(), within(1e-5));
    }
  }

  private static void assertFormats(
      StepResult result, MemoryFormat ofStudent, MemoryFormat ofTeacher) {
    assertThat(result.studentFormat()).isEqualTo(ofStudent);
    assertThat(result.teacherFormat()).isEqualTo(ofTeacher);
  }

  @Test
  void auto_triesBothAndThenKeepsOne() {
    try (TrainingStep step =
        SmallStep.builder(small.student, small.teacher).memoryFormat(MemoryFormat.AUTO).build()) {
      StepResult result = step.newResult();
      List<MemoryFormat> formats = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        step.run(small.images, small.labels, null, result);
        formats.add(result.studentFormat());
      }
      assertThat(formats.subList(0, 8)).contains(CONTIGUOUS, CHANNELS_LAST);
      assertThat(formats.subList(8, 12)).containsOnly(formats.get(8));
    }
  }

  @Test
  void format_imagesThatAreNoMaps_isRefused() {
    assertRefused(
        () ->
            TrainingStep.builder(small.student)
                .inputShape(3, 8)
                .memoryFormat(CHANNELS_LAST)
                .build(),
        "ResNet: images must be of shape [batch, 3, height, width] (got [2, 3, 8])");
  }

  @Test
  void format_null_isRejected() {
    TrainingStepBuilder builder = SmallStep.builder(small.student, small.teacher);
    String rule = "TrainingStepBuilder.%s: format must be given (got null)";
    assertIllegal(() -> builder.memoryFormat(null), rule.formatted("memoryFormat"));
    assertIllegal(() -> builder.studentFormat(null), rule.formatted("studentFormat"));
    assertIllegal(
        () -> Teacher.of(small.teacher).withMemoryFormat(null),
        "Teacher: memory format must be given (got null)");
  }
}
