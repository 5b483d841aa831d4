package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertFails;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;
import static org.retort.testing.Failures.assertUnusable;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.ShapeException;
import org.retort.losses.CrdLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.testing.Buffers;

final class StepInputTest {
  private static final Taps TAPS = Taps.of("0");

  @AutoClose private final PointerScope scope = new PointerScope();
  @TempDir private Path folder;

  private LinearStep linear;
  private Tensor images;
  private Tensor labels;
  private StepInput input;

  @BeforeEach
  void startStep() {
    linear = step();
    float[] pixels = new float[LinearStep.BATCH * LinearStep.IMAGE];
    linear.images.get(0, pixels);
    images = Tensor.create(pixels, LinearStep.BATCH, 3, 2, 2);
    labels = Tensor.create(0L, 2L, 1L, 2L);
    input = StepInput.of(images, labels);
  }

  private LinearStep step() {
    return new LinearStep(
        folder,
        builder ->
            builder
                .memoryFormat(MemoryFormat.CONTIGUOUS) // as the features that are given
                .add(1, KdLoss.of(4))
                .add(1, NstLoss.linear(), TAPS));
  }

  @Test
  void of_imagesAndLabels_equalTheShortForm() {
    assertSameAsShortForm(input);
  }

  @Test
  void teacher_given_isTakenInsteadOfRunningIt() {
    Tensor logits = linear.teacher.predict(linear.images);
    int before = linear.teacherRuns();
    assertSameAsShortForm(input.withTeacher(logits, images.mul(new Scalar(2))));
    assertThat(linear.teacherRuns()).isEqualTo(before);
  }

  private void assertSameAsShortForm(StepInput given) {
    try (LinearStep computed = step()) {
      computed.run();
      linear.step.run(given, linear.result);
      assertThat(linear.numbers()).isEqualTo(computed.numbers());
      assertThat(linear.values(LinearStep.WEIGHT)).isEqualTo(computed.values(LinearStep.WEIGHT));
    }
  }

  @Test
  void teacher_given_isNotNeededAsANetwork() {
    try (LinearStep computed = step();
        TrainingStep alone =
            TrainingStep.builder(linear.student).inputShape(3, 2, 2).add(1, KdLoss.of(4)).build()) {
      StepResult result = alone.newResult();
      alone.run(input.withTeacher(linear.teacher.predict(linear.images)), result);
      computed.run();
      assertThat(result.term(0)).isEqualTo(computed.result.term(0));
      assertShapeRefused(
          () -> alone.run(input, result),
          "TrainingStep: teacher's logits must be given without its network (got an undefined"
              + " tensor)");
    }
  }

  @Test
  void weights_ofOneSample_makeItTheOnlyOneThatCounts() {
    linear.step.run(input.withWeights(Tensor.create(0f, 0f, 3f, 0f)), linear.result);
    try (LinearStep one = step()) {
      one.step.run(images.narrow(0, 2, 1), labels.narrow(0, 2, 1), null, one.result);
      assertThat(linear.result.crossEntropy()).isCloseTo(one.result.crossEntropy(), within(1e-6));
      assertThat(linear.result.term(0)).isCloseTo(one.result.term(0), within(1e-6));
    }
  }

  @Test
  void indicesAndContrast_reachTheTermThatNeedsThem() {
    CrdLoss crd = CrdLoss.forSamples(9).withNegatives(1).withDimension(4);
    try (SmallStep small = new SmallStep();
        TrainingStep step =
            SmallStep.builder(small.student, small.teacher)
                .add(1, crd, Taps.of("embedding"))
                .build()) {
      StepResult result = step.newResult();
      StepInput maps = StepInput.of(torch.zeros(4, 3, 8, 8), labels);
      Tensor indices = Tensor.create(7L, 3L, 0L, 5L);
      assertShapeRefused(
          () -> step.run(maps, result),
          "crd_loss: indices must be given (got an undefined tensor)");
      step.run(maps.withIndices(indices), result);
      assertThat(result.term(1)).isPositive();
      Tensor contrast = Tensor.create(7L, 1L, 3L, 2L, 0L, 1L, 5L, 9L).view(4, 2);
      assertRefused(
          () -> step.run(maps.withIndices(indices).withContrast(contrast), result),
          "crd_loss: contrast must be between 0 and 8 (got 9)");
    }
  }

  private static void assertShapeRefused(ThrowingCallable call, String message) {
    assertFails(call, ShapeException.class, message);
  }

  @Test
  void optional_null_isAbsent() {
    assertSameAsShortForm(
        input.withIndices((Tensor) null).withContrast((Tensor) null).withWeights((Tensor) null));
  }

  @Test
  void tensor_undefinedOrClosed_isRejected() {
    assertChecked("images", tensor -> StepInput.of(tensor, labels));
    assertChecked("labels", tensor -> StepInput.of(images, tensor));
    assertChecked("indices", input::withIndices);
    assertChecked("contrast", input::withContrast);
    assertChecked("weights", input::withWeights);
    assertChecked("teacher logits", tensor -> input.withTeacher(tensor, images));
    assertChecked("teacher features[0]", tensor -> input.withTeacher(images, tensor));
  }

  private void assertChecked(String argument, Function<Tensor, StepInput> withTensor) {
    String rule = "TrainingStep.run: " + argument + " must be ";
    StepInput undefined = withTensor.apply(new Tensor());
    assertIllegal(
        () -> linear.step.run(undefined, linear.result),
        rule + "defined (got an undefined tensor)");
    Tensor tensor = torch.zeros(1);
    StepInput closed = withTensor.apply(tensor);
    tensor.close();
    assertUnusable(
        () -> linear.step.run(closed, linear.result), rule + "open (got a closed tensor)");
  }

  @Test
  void of_anyMixtureOfMemory_equalsTheShortForm() {
    float[] floats = new float[LinearStep.BATCH * LinearStep.IMAGE];
    linear.images.get(0, floats);
    long[] classes = {0, 2, 1, 2};
    for (StepInput same :
        List.of(
            StepInput.of(linear.images, linear.labels),
            StepInput.of(linear.images, linear.labels).withIndices(linear.indices),
            StepInput.of(floats, classes),
            StepInput.of(floats, classes).withIndices(new long[4]),
            StepInput.of(floats, classes).withIndices(linear.indices),
            StepInput.of(linear.images, linear.labels).withIndices(new long[4]),
            StepInput.of(images, labels).withIndices(linear.indices),
            input.withWeights(Buffers.floats(4).put(new float[] {1, 1, 1, 1}).flip()))) {
      try (LinearStep fresh = step();
          LinearStep computed = step()) {
        computed.run();
        fresh.step.run(same, fresh.result);
        assertThat(fresh.numbers()).isEqualTo(computed.numbers());
      }
    }
  }

  @Test
  void buffer_otherOrderOrSize_isRejected() {
    assertRejected(
        input.withWeights(bigEndian(4)),
        "weights must have the native byte order (got BIG_ENDIAN)");
    assertRejected(
        input.withContrast(Buffers.longs(1, 2, 3, 4, 5, 6)),
        "contrast must hold 4 elements (got 6)");
    assertRejected(input.withContrast(new long[7]), "contrast must hold 4 elements (got 7)");
    assertRejected(
        input.withContrast(LongBuffer.allocate(8)),
        "contrast must be a direct buffer (got one on the heap)");
  }

  @Test
  void teacher_otherBuffer_isRejected() {
    String rule = "teacher logits must ";
    assertRejected(
        input.withTeacher(FloatBuffer.allocate(12)),
        rule + "be a direct buffer (got one on the heap)");
    assertRejected(
        input.withTeacher(bigEndian(12)), rule + "have the native byte order (got BIG_ENDIAN)");
    assertRejected(
        input.withTeacher(Buffers.floats(0)),
        rule + "hold a positive multiple of 4 elements (got 0)");
  }

  private static FloatBuffer bigEndian(int count) {
    return ByteBuffer.allocateDirect(count * Float.BYTES).asFloatBuffer();
  }

  private void assertRejected(StepInput wrong, String message) {
    assertIllegal(() -> linear.step.run(wrong, linear.result), "TrainingStep.run: " + message);
  }

  @Test
  void teacher_inABuffer_isTaken() {
    FloatBuffer logits = Buffers.floats(4 * LinearStep.CLASSES);
    linear.teacher.predict(linear.images, logits);
    try (LinearStep computed = step();
        TrainingStep alone =
            TrainingStep.builder(linear.student)
                .inputShape(3, 2, 2)
                .memoryFormat(MemoryFormat.CONTIGUOUS)
                .add(1, KdLoss.of(4))
                .build()) {
      StepResult result = alone.newResult();
      alone.run(StepInput.of(linear.images, linear.labels).withTeacher(logits), result);
      computed.run();
      assertThat(result.term(0)).isEqualTo(computed.result.term(0));
      assertIllegal(
          () ->
              alone.run(
                  StepInput.of(linear.images, linear.labels).withTeacher(logits.slice(0, 7)),
                  result),
          "TrainingStep.run: teacher logits must hold a positive multiple of 4 elements (got 7)");
    }
  }

  @Test
  void argument_null_isRejected() {
    assertIllegal(
        () -> StepInput.of((Tensor) null, labels), "StepInput.of: images must be given (got null)");
    assertIllegal(
        () -> input.withTeacher((Tensor) null),
        "StepInput.withTeacher: logits must be given (got null)");
    assertIllegal(
        () -> input.withTeacher(images, (Tensor) null),
        "StepInput.withTeacher: features[0] must be given (got null)");
    assertIllegal(
        () -> linear.step.run((StepInput) null, linear.result),
        "TrainingStep.run: input must be given (got null)");
  }
}
