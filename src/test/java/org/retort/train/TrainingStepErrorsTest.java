package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.NonFiniteException;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;
import org.retort.testing.Failures;
import org.retort.testing.Program;

/** What a batch can have wrong: a named exception, one line, and nothing has changed. */
final class TrainingStepErrorsTest {
  private static final int BATCH = SmallStep.BATCH;
  private static final int IMAGE = SmallStep.IMAGE;

  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final SmallStep small = new SmallStep();
  @TempDir private Path folder;

  private final TrainingStep step = small.step;
  private final StepResult result = small.result;
  private final FloatBuffer tooBright = Buffers.floats(BATCH * (int) Program.INPUTS).put(3, 10);
  private final FloatBuffer images = small.images;
  private final LongBuffer labels = small.labels;
  private final Tensor imageTensor = torch.zeros(BATCH, 3, 8, 8);
  private final Tensor labelTensor = torch.zeros(BATCH).to(ScalarType.Long);

  @BeforeEach
  void fillMomentumAndResult() {
    small.run();
  }

  @Test
  void run_imageBuffer_isChecked() {
    assertIllegal(
        () -> step.run((FloatBuffer) null, labels, null, result),
        "images must be given (got null)");
    assertIllegal(
        () -> step.run(FloatBuffer.allocate(BATCH * IMAGE), labels, null, result),
        "images must be a direct buffer (got one on the heap)");
    assertIllegal(
        () -> step.run(swapped(BATCH * IMAGE * 4).asFloatBuffer(), labels, null, result),
        "images must have the native byte order (got BIG_ENDIAN)");
    assertIllegal(
        () -> step.run(Buffers.floats(0), labels, null, result),
        "images must hold a positive multiple of 192 elements (got 0)");
    assertIllegal(
        () -> step.run(images.slice(1, IMAGE), labels, null, result),
        "labels must hold 1 elements (got 4)");
    assertIllegal(
        () -> step.run(images.slice(1, BATCH * IMAGE - 1), labels, null, result),
        "images must hold a positive multiple of 192 elements (got 767)");
  }

  @Test
  void run_labelBuffer_isChecked() {
    assertIllegal(
        () -> step.run(images, LongBuffer.allocate(BATCH), null, result),
        "labels must be a direct buffer (got one on the heap)");
    assertIllegal(
        () -> step.run(images, swapped(BATCH * 8).asLongBuffer(), null, result),
        "labels must have the native byte order (got BIG_ENDIAN)");
    assertIllegal(
        () -> step.run(images, Buffers.longs(0, 1, 2), null, result),
        "labels must hold 4 elements (got 3)");
    assertIllegal(
        () -> step.run(images, labels.duplicate().position(BATCH), null, result),
        "labels must hold 4 elements (got 0)");
    assertRefused(
        () -> step.run(images, null, null, result),
        "TrainingStep: labels must be given (got an undefined tensor)");
  }

  @ParameterizedTest
  @ValueSource(longs = {SmallStep.CLASSES, -2, Long.MAX_VALUE, Long.MIN_VALUE})
  void run_labelOutOfRange_isRefused(long label) {
    assertRefused(
        () -> step.run(images, Buffers.longs(0, 1, label, 2), null, result),
        "TrainingStep: labels must be between -1 and 4 (got " + label + " at 2)");
  }

  @Test
  void run_rowBuffers_areChecked() {
    assertIllegal(
        () -> step.run(images, labels, LongBuffer.allocate(BATCH), result),
        "indices must be a direct buffer (got one on the heap)");
    assertIllegal(
        () -> step.run(images, labels, Buffers.longs(1, 2, 3), result),
        "indices must hold 4 elements (got 3)");
    assertIllegal(
        () ->
            step.run(
                StepInput.of(images, labels).withContrast(LongBuffer.allocate(2 * BATCH)), result),
        "contrast must be a direct buffer (got one on the heap)");
    assertIllegal(
        () ->
            step.run(
                StepInput.of(images, labels).withContrast(Buffers.longs(1, 2, 3, 4, 5, 6, 7)),
                result),
        "contrast must hold 4 elements (got 7)");
    assertIllegal(
        () ->
            step.run(StepInput.of(images, labels).withWeights(FloatBuffer.allocate(BATCH)), result),
        "weights must be a direct buffer (got one on the heap)");
    assertIllegal(
        () -> step.run(StepInput.of(images, labels).withWeights(Buffers.floats(BATCH + 1)), result),
        "weights must hold 4 elements (got 5)");
  }

  @Test
  void run_result_isChecked() {
    assertIllegal(() -> step.run(images, labels, null, null), "result must be given (got null)");
    assertIllegal(
        () -> step.run(imageTensor, labelTensor, null, null), "result must be given (got null)");
    try (TrainingStep more =
        SmallStep.builder(small.student, small.teacher).add(1, KdLoss.of(1)).build()) {
      assertIllegal(
          () -> more.run(images, labels, null, result),
          "result must have room for 2 terms (got room for 1)");
      assertIllegal(
          () -> more.run(imageTensor, labelTensor, null, result),
          "result must have room for 2 terms (got room for 1)");
    }
  }

  @Test
  void run_imageTensor_isChecked() {
    assertIllegal(
        () -> step.run((Tensor) null, labelTensor, null, result),
        "images must be given (got null)");
    assertIllegal(
        () -> step.run(new Tensor(), labelTensor, null, result),
        "images must be defined (got an undefined tensor)");
    assertClosed(tensor -> step.run(tensor, labelTensor, null, result), "images");
    assertRefused(
        imageTensor.to(ScalarType.Double),
        "TrainingStep: images must be of the network's dtype Float or bytes (got Double)");
    assertRefused(
        torch.zeros(BATCH, 1, 8, 8),
        "TrainingStep: images must be of shape [batch, 3, 8, 8] (got [4, 1, 8, 8])");
    assertRefused(
        torch.zeros(3, 8, 8),
        "TrainingStep: images must be of shape [batch, 3, 8, 8] (got [3, 8, 8])");
    assertRefused(
        torch.zeros(0, 3, 8, 8), "TrainingStep: images must not be empty (got [0, 3, 8, 8])");
    assertRefused(torch.zeros(2, 3, 8, 8), "TrainingStep: labels must be of shape [2] (got [4])");
  }

  @Test
  void run_labelTensor_isChecked() {
    assertIllegal(
        () -> step.run(imageTensor, new Tensor(), null, result),
        "labels must be defined (got an undefined tensor)");
    assertClosed(tensor -> step.run(imageTensor, tensor, null, result), "labels");
    assertRefused(
        () -> step.run(imageTensor, labelTensor.to(ScalarType.Int), null, result),
        "TrainingStep: labels must be int64 (got Int)");
    assertRefused(
        () -> step.run(imageTensor, labelTensor.view(BATCH, 1), null, result),
        "TrainingStep: labels must be of shape [4] (got [4, 1])");
  }

  @Test
  void run_rowTensors_areChecked() {
    Tensor floats = torch.zeros(BATCH);
    Tensor three = torch.zeros(3, 2).to(ScalarType.Long);
    assertIllegal(
        () -> step.run(imageTensor, labelTensor, new Tensor(), result),
        "indices must be defined (got an undefined tensor)");
    assertClosed(tensor -> step.run(imageTensor, labelTensor, tensor, result), "indices");
    assertClosed(
        tensor -> step.run(StepInput.of(imageTensor, labelTensor).withContrast(tensor), result),
        "contrast");
    assertRefused(
        () -> step.run(imageTensor, labelTensor, floats, result),
        "TrainingStep: indices must be int64 (got Float)");
    assertRefused(
        () -> step.run(imageTensor, labelTensor, three, result),
        "TrainingStep: indices must be of rank 1 with the batch of 4 first (got [3, 2])");
    assertRefused(
        () -> step.run(StepInput.of(imageTensor, labelTensor).withContrast(labelTensor), result),
        "TrainingStep: contrast must be of rank 2 with the batch of 4 first (got [4])");
    assertRefused(
        () -> step.run(StepInput.of(imageTensor, labelTensor).withContrast(three), result),
        "TrainingStep: contrast must be of rank 2 with the batch of 4 first (got [3, 2])");
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
  void run_lossNotFinite_isRefused(float pixel) {
    images.put(IMAGE + 5, pixel);
    assertRefused(
        () -> step.run(images, labels, null, result),
        "TrainingStep: cross-entropy must be finite (got nan)");
  }

  @Test
  void run_imagesTooLarge_isRefused() {
    FloatBuffer huge = Buffers.floats(BATCH * IMAGE);
    for (int i = 0; i < huge.capacity(); i++) {
      huge.put(i, i % 2 == 0 ? 3e38f : -3e38f);
    }
    assertFails(
        () -> step.run(huge, labels, null, result),
        RetortException.class,
        "TrainingStep: cross-entropy must be finite (got nan)");
  }

  @Test
  void run_afterAFailure_goesOnAsIfItHadNotBeen() {
    FloatBuffer poisoned = Buffers.random(7, BATCH * IMAGE).put(0, Float.NaN);
    assertThatThrownBy(() -> step.run(poisoned, labels, null, result))
        .isInstanceOf(NonFiniteException.class);
    try (SmallStep untroubled = new SmallStep()) {
      assertThat(small.stateAfter(1)).isEqualTo(untroubled.stateAfter(2));
    }
  }

  @Test
  void run_studentOfAnotherDtype_isRefused() {
    small.student.convert(ScalarType.Double);
    try (TrainingStep exact = SmallStep.builder(small.student, small.teacher).build()) {
      Failures.assertRefused(
          () -> exact.run(images, labels, null, result),
          "TrainingStep: images must be of the network's dtype Double or bytes (got Float)");
    }
  }

  @Test
  void run_studentConvertedAfterBuild_isRefused() {
    small.student.convert(ScalarType.Double);
    Failures.assertRefused(
        () -> step.run(images, labels, null, result),
        "TrainingStep: student must keep the dtype it had when the step was built, Float (got"
            + " Double)");
  }

  @Test
  void run_gradientNotFinite_isRefused() {
    Path file =
        Program.linear(SmallStep.CLASSES)
            .save(
                folder.resolve("steep.ts"),
                "steep = torch.sqrt(torch.relu(9.0 - x.max()) * self.weight.abs().sum())",
                "return torch.linear(x.flatten(1), self.weight) + steep, [x]");
    assertProgramRefused(
        file,
        tooBright,
        "TrainingStep: gradient of student.weight must be finite (got inf or nan)");
  }

  @Test
  void run_programThatFailsHalfway_isRefusedAndItsStateRestored() {
    Path file =
        Program.linear(SmallStep.CLASSES)
            .buffer("seen", torch.zeros(1))
            .save(
                folder.resolve("fussy.ts"),
                "self.seen.add_(1.0)",
                "y = torch.dropout(x.flatten(1), 0.5, self.training)",
                "assert not self.training or bool((x < 9.0).all()), 'too bright'",
                "return torch.linear(y, self.weight), [x]");
    assertProgramRefused(
        file,
        tooBright,
        "TorchScriptNetwork: images must be accepted by the module (got [4, 3, 2, 2]:"
            + " AssertionError: too bright)");
  }

  /** Trains a program for one step, then expects the next batch to fail and to change nothing. */
  private void assertProgramRefused(Path file, FloatBuffer bad, String message) {
    FloatBuffer good = Buffers.random(3, BATCH * (int) Program.INPUTS);
    try (Network student = TorchScriptNetwork.load(file);
        TrainingStep program =
            TrainingStep.builder(student)
                .inputShape(3, 2, 2)
                .optimizer(Sgd.of(0.1).withMomentum(0.9))
                .build()) {
      StepResult numbers = program.newResult();
      program.run(good, labels, null, numbers);
      Map<String, ByteBuffer> before = Bits.of(program.state());
      Retort.manualSeed(5);
      ByteBuffer random = Bits.of(torch.randn(8));

      Retort.manualSeed(5);
      Failures.assertRefused(() -> program.run(bad, labels, null, numbers), message);

      assertThat(Bits.of(torch.randn(8))).isEqualTo(random);
      assertThat(Bits.of(program.state())).isEqualTo(before);
      assertThat(program.steps()).isEqualTo(1);
    }
  }

  private void assertIllegal(ThrowingCallable call, String rule) {
    assertFails(call, IllegalArgumentException.class, "TrainingStep.run: " + rule);
  }

  private void assertClosed(Consumer<Tensor> call, String argument) {
    Tensor closed = torch.zeros(1);
    closed.close();
    assertFails(
        () -> call.accept(closed),
        IllegalStateException.class,
        "TrainingStep.run: " + argument + " must be open (got a closed tensor)");
  }

  private void assertRefused(Tensor wrongImages, String message) {
    assertRefused(() -> step.run(wrongImages, labelTensor, null, result), message);
  }

  private void assertRefused(ThrowingCallable call, String message) {
    assertFails(call, RetortException.class, message);
  }

  private void assertFails(
      ThrowingCallable call, Class<? extends RuntimeException> type, String message) {
    Map<String, ByteBuffer> before = small.state();
    double[] numbers = numbers();

    Failures.assertFails(call, type, message);

    assertThat(small.state()).isEqualTo(before);
    assertThat(step.steps()).isEqualTo(1);
    assertThat(numbers()).isEqualTo(numbers);
  }

  private double[] numbers() {
    return result.values().clone();
  }

  private static ByteBuffer swapped(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.BIG_ENDIAN);
  }
}
