package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.retort.losses.KdLoss;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;

final class TrainingStepTest {
  private static final int BATCH = SmallStep.BATCH;
  private static final int IMAGE = SmallStep.IMAGE;

  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final SmallStep small = new SmallStep();

  @Test
  void run_oneBatch_isLearned() {
    small.run();
    double first = small.result.total();
    small.runSteps(30);
    assertThat(small.result.total()).isLessThan(0.7 * first);
    assertThat(small.step.steps()).isEqualTo(31);
  }

  @Test
  void student_isTheOneThatWasGiven() {
    assertThat(small.step.student()).isSameAs(small.student);
    small.step.close();
    assertThat(small.step.student()).isSameAs(small.student);
  }

  @Test
  void run_once_changesAllStateAndNothingOfTheTeacher() {
    Map<String, ByteBuffer> before = small.state();
    Map<String, ByteBuffer> teacher = Bits.of(small.teacher.stateDict());

    small.run();

    assertThat(small.state())
        .hasSameSizeAs(before)
        .allSatisfy((name, bits) -> assertThat(bits).as(name).isNotEqualTo(before.get(name)));
    assertThat(Bits.of(small.teacher.stateDict())).isEqualTo(teacher);
  }

  @Test
  void run_result_isTheWeightedSum() {
    small.run();
    assertThat(small.result.terms()).isEqualTo(1);
    assertThat(small.result.crossEntropy()).isPositive();
    assertThat(small.result.term(0)).isPositive();
    assertThat(small.result.total())
        .isCloseTo(0.1 * small.result.crossEntropy() + 0.9 * small.result.term(0), within(1e-6));
    assertThat(small.result.labeled()).isEqualTo(BATCH);
    assertThat(small.result.learningRate()).isEqualTo(0.05);
    assertThat(small.result.updated()).isTrue();
    assertThat(small.result.skipped()).isFalse();
    assertThat(small.result.nanoseconds()).isPositive();
  }

  @Test
  void run_someWithoutLabel_countOnlyInDistillation() {
    small.run();
    double distillation = small.result.term(0);
    try (SmallStep other = new SmallStep()) {
      other.step.run(other.images, Buffers.longs(-1, 4, -1, 1), null, other.result);
      assertThat(other.result.labeled()).isEqualTo(2);
      assertThat(other.result.correct()).isLessThanOrEqualTo(2);
      assertThat(other.result.crossEntropy()).isNotEqualTo(small.result.crossEntropy());
      assertThat(other.result.term(0)).isEqualTo(distillation);
    }
  }

  @Test
  void run_noneWithLabel_isDistillationOnly() {
    small.step.run(small.images, Buffers.longs(-1, -1, -1, -1), null, small.result);
    assertThat(small.result.labeled()).isZero();
    assertThat(small.result.samples()).isEqualTo(BATCH);
    assertThat(small.result.correct()).isZero();
    assertThat(small.result.crossEntropy()).isZero();
    assertThat(small.result.total()).isCloseTo(0.9 * small.result.term(0), within(1e-6));
  }

  @Test
  void run_crossEntropyZero_needsNoLabels() {
    try (TrainingStep step =
        SmallStep.builder(small.student, small.teacher).crossEntropy(0).build()) {
      StepResult result = step.newResult();
      step.run(small.images, null, null, result);
      assertThat(result.labeled()).isZero();
      assertThat(result.total()).isCloseTo(0.9 * result.term(0), within(1e-6));
    }
  }

  @Test
  void run_noTeacher_trainsOnLabels() {
    try (TrainingStep step =
        TrainingStep.builder(small.student).inputShape(3, 8, 8).crossEntropy(2).build()) {
      StepResult result = step.newResult();
      step.run(small.images, small.labels, null, result);
      assertThat(result.terms()).isZero();
      assertThat(result.total()).isCloseTo(2 * result.crossEntropy(), within(1e-6));
      assertThat(result.learningRate()).isEqualTo(0.1);
    }
  }

  @Test
  void run_twoTerms_areReportedInOrder() {
    try (TrainingStep step =
        SmallStep.builder(small.student, small.teacher).add(0, KdLoss.of(1)).build()) {
      StepResult result = step.newResult();
      step.run(small.images, small.labels, null, result);
      assertThat(result.terms()).isEqualTo(2);
      try (SmallStep oneTerm = new SmallStep()) {
        oneTerm.run();
        assertThat(result.term(0)).isEqualTo(oneTerm.result.term(0));
        assertThat(result.term(1)).isNotEqualTo(result.term(0));
        assertThat(result.total()).isCloseTo(oneTerm.result.total(), within(1e-6));
      }
    }
  }

  @Test
  void run_buffersInTheMiddleOfOthers_areReadFromPositionToLimit() {
    FloatBuffer images = Buffers.random(9, (BATCH + 2) * IMAGE);
    images.put(IMAGE, small.images, 0, BATCH * IMAGE);
    LongBuffer labels = Buffers.longs(99, 0, 4, 2, 1, 99, 99);
    LongBuffer indices = Buffers.longs(99, 99, 7, 3, 0, 5, 99);

    small.step.run(
        images.position(IMAGE).limit((BATCH + 1) * IMAGE),
        labels.position(1).limit(1 + BATCH),
        indices.slice(2, BATCH),
        small.result);

    assertThat(images.remaining()).isEqualTo(BATCH * IMAGE);
    assertThat(labels.position()).isEqualTo(1);
    assertSameAsPlainRun(1);
  }

  @Test
  void run_readOnlyBuffers_areTaken() {
    small.step.run(
        small.images.asReadOnlyBuffer(), small.labels.asReadOnlyBuffer(), null, small.result);
    assertSameAsPlainRun(1);
  }

  @Test
  void run_contrastGiven_isTaken() {
    LongBuffer contrast = Buffers.longs(7, 1, 3, 2, 0, 4, 5, 6);
    small.step.run(
        StepInput.of(small.images, small.labels).withIndices(small.indices).withContrast(contrast),
        small.result);
    assertSameAsPlainRun(1);
  }

  @Test
  void run_tensors_equalsBuffers() {
    float[] pixels = new float[BATCH * IMAGE];
    small.images.get(0, pixels);
    Tensor images = Tensor.create(pixels, BATCH, 3, 8, 8);
    Tensor labels = Tensor.create(0L, 4L, 2L, 1L);
    small.step.run(images, labels, null, small.result);
    assertSameAsPlainRun(1);
  }

  @Test
  void run_otherBatchSize_isTaken() {
    small.run();
    small.step.run(
        Buffers.random(5, 7 * IMAGE), Buffers.longs(0, 1, 2, 3, 4, 0, 1), null, small.result);
    assertThat(small.result.labeled()).isEqualTo(7);
  }

  @Test
  void newResult_reused_isOverwritten() {
    StepResult other = small.step.newResult();
    small.step.run(small.images, small.labels, null, small.result);
    small.step.run(small.images, Buffers.longs(0, 4, 2, -1), null, small.result);
    assertThat(small.result.labeled()).isEqualTo(3);
    assertThat(other.labeled()).isZero();
  }

  @Test
  void state_names_areThoseOfTheStudentAndItsMomentum() {
    assertThat(small.step.state().keySet())
        .filteredOn(name -> name.startsWith("student."))
        .containsExactlyElementsOf(
            small.student.stateDict().keySet().stream().map("student."::concat).toList());
    assertThat(small.step.state())
        .containsKeys("momentum.student.conv1.weight", "momentum.student.fc.bias")
        .doesNotContainKey("momentum.student.bn1.running_mean");
  }

  @Test
  void state_tensors_shareTheStepsMemory() {
    Map<String, Tensor> state = small.step.state();
    ByteBuffer before = Bits.of(state.get("student.fc.weight"));
    small.run();
    assertThat(Bits.of(state.get("student.fc.weight"))).isNotEqualTo(before);
    assertThat(Bits.of(state)).isEqualTo(small.state());
  }

  @Test
  void term_outOfRange_isRejected() {
    small.run();
    for (int index : new int[] {-1, 1}) {
      assertThatThrownBy(() -> small.result.term(index))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("StepResult.term: index must be at least 0 and below 1 (got " + index + ")");
    }
  }

  private void assertSameAsPlainRun(int steps) {
    try (SmallStep plain = new SmallStep()) {
      assertThat(small.state()).isEqualTo(plain.stateAfter(steps));
      assertThat(small.numbers()).isEqualTo(plain.numbers());
    }
  }
}
