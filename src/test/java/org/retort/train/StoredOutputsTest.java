package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertChecked;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.retort.FileException;
import org.retort.NonFiniteException;
import org.retort.ShapeException;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;
import org.retort.testing.Streams;

final class StoredOutputsTest {
  private static final float[] LOGITS = {1, 2, 3, -1, -2, -3};
  private static final float[] FEATURES = {10, 20, 30, 40};
  private static final StoredOutputsFormat FORMAT =
      StoredOutputsFormat.of(4, 3).withTap("map", 1, 2).withNote("größe");

  @AutoClose private final PointerScope scope = new PointerScope();
  @TempDir private Path folder;
  private Path file;

  @BeforeEach
  void nameFile() {
    file = folder.resolve("outputs");
  }

  /** Writes rows of the samples 3 and 1. */
  private void write(StoredOutputsFormat format) {
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, format)) {
      writer.write(new long[] {3, 1}, LOGITS, FEATURES);
      writer.finish();
    }
  }

  @ParameterizedTest
  @EnumSource
  void file_openedInAnyWay_givesWhatWasWritten(FileAccess access) {
    write(FORMAT);
    try (StoredOutputs outputs = StoredOutputs.open(file, access)) {
      assertHoldsRows(outputs);
    }
  }

  @Test
  void streamsAndBytes_giveWhatWasWritten() throws IOException {
    write(FORMAT);
    byte[] bytes = Files.readAllBytes(file);
    try (StoredOutputs ofStream = StoredOutputs.open(Streams.of(bytes));
        StoredOutputs ofBytes = StoredOutputs.open(bytes)) {
      assertHoldsRows(ofStream);
      assertHoldsRows(ofBytes);
    }
    assertThatThrownBy(() -> StoredOutputs.open(Streams.breaking(bytes)))
        .isInstanceOf(FileException.class)
        .hasCauseInstanceOf(IOException.class);
  }

  private static void assertHoldsRows(StoredOutputs outputs) {
    assertThat(outputs.format()).isEqualTo(FORMAT);
    assertThat(outputs.rows()).isEqualTo(2);
    assertThat(outputs.missing()).containsExactly(0, 2);
    assertNumbers(outputs.logits(1, 3, 1), -1, -2, -3, 1, 2, 3, -1, -2, -3);
    Tensor features = outputs.features("map", 3, 1);
    assertThat(features.sizes().vec().get()).containsExactly(2, 1, 2);
    assertNumbers(features, 10, 20, 30, 40);
  }

  private static void assertNumbers(Tensor actual, float... expected) {
    assertThat(numbers(Buffers.floats(actual))).containsExactly(expected);
  }

  private static float[] numbers(FloatBuffer buffer) {
    float[] numbers = new float[buffer.remaining()];
    buffer.get(numbers);
    return numbers;
  }

  @Test
  void rows_ofTensorsBuffersAndArrays_areTheSame() throws IOException {
    write(FORMAT);
    byte[] ofArrays = Files.readAllBytes(file);
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, FORMAT)) {
      writer.write(
          Buffers.longs(3, 1),
          Buffers.floats(6).put(LOGITS).flip(),
          Buffers.floats(4).put(FEATURES).flip());
      writer.finish();
    }
    assertThat(file).hasBinaryContent(ofArrays);
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, FORMAT)) {
      writer.write(
          Tensor.create(3L, 1L), Tensor.create(LOGITS, 2, 3), Tensor.create(FEATURES, 2, 1, 2));
      assertThat(writer.rows()).isEqualTo(2);
      assertThat(writer.format()).isEqualTo(FORMAT);
      writer.finish();
    }
    assertThat(file).hasBinaryContent(ofArrays);
  }

  @ParameterizedTest
  @EnumSource
  void format_ofAnyDtype_comesBack(StoredOutputsFormat.Dtype dtype) {
    StoredOutputsFormat format = FORMAT.withDtype(dtype).withTop(2);
    write(format);
    try (StoredOutputs outputs = StoredOutputs.open(file)) {
      assertThat(outputs.format()).isEqualTo(format);
      Tensor logits = outputs.logits(3).to(torch.ScalarType.Float);
      assertThat(numbers(Buffers.floats(logits))).containsExactly(1, 2, 3); // one is left out
    }
  }

  @Test
  void close_withoutFinish_leavesThePreviousFile() throws IOException {
    write(FORMAT);
    byte[] before = Files.readAllBytes(file);
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, FORMAT)) {
      writer.write(new long[] {0}, new float[3], new float[2]);
    }
    assertThat(file).hasBinaryContent(before);
    assertThat(folder.toFile().list()).containsExactly("outputs");
  }

  // ---- in a step -------------------------------------------------------------------------------

  private static TrainingStepBuilder learning(TrainingStepBuilder builder) {
    return builder
        .inputShape(3, 2, 2)
        .memoryFormat(MemoryFormat.CONTIGUOUS) // in which outputs are stored
        .crossEntropy(0.5)
        .add(1, KdLoss.of(4))
        .add(1, NstLoss.linear(), Taps.of("0"))
        .optimizer(Sgd.of(0.1).withMomentum(0.9));
  }

  private LinearStep live() {
    return new LinearStep(folder, StoredOutputsTest::learning);
  }

  /** Stores what a teacher says of the batch's four samples of eight. */
  private StoredOutputs stored(LinearStep of) {
    StoredOutputsFormat format =
        StoredOutputsFormat.of(8, LinearStep.CLASSES).withTap("0", of.teacher.tapShape("0"));
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, format)) {
      writer.write(of.indices, of.teacher, of.images);
      writer.finish();
    }
    return StoredOutputs.open(file);
  }

  @Test
  void step_onStoredOutputs_computesTheBitsOfTheTeachersStep() {
    try (LinearStep live = live();
        LinearStep other = live()) {
      StoredOutputs outputs = stored(live);
      try (TrainingStep step = learning(TrainingStep.builder(other.student, outputs)).build()) {
        outputs.close(); // the step shares them
        assertThat(step.teacherTaps()).containsExactly("0");
        StepResult result = step.newResult();
        for (int i = 0; i < 3; i++) {
          live.run();
          step.run(live.images, live.labels, live.indices, result);
          assertThat(SmallStep.numbers(result)).isEqualTo(live.numbers());
        }
        assertThat(Bits.of(step.state())).isEqualTo(Bits.of(live.step.state()));
      }
    }
  }

  @Test
  void step_ofTensors_writesTheSameFile() throws IOException {
    try (LinearStep live = live();
        StoredOutputs outputs = stored(live)) {
      byte[] bytes = Files.readAllBytes(file);
      Tensor images = Tensor.create(numbers(live.images.duplicate()), LinearStep.BATCH, 3, 2, 2);
      try (StoredOutputsWriter writer = StoredOutputs.writer(file, outputs.format())) {
        writer.write(Tensor.create(3L, 0L, 5L, 1L), live.teacher, images);
        writer.finish();
      }
      assertThat(file).hasBinaryContent(bytes);
    }
  }

  @Test
  void step_withoutRowsForTheBatch_isRefusedAndGoesOn() {
    try (LinearStep live = live();
        StoredOutputs outputs = stored(live);
        TrainingStep step = learning(TrainingStep.builder(live.student, outputs)).build()) {
      StepResult result = step.newResult();
      assertRefused(
          () -> step.run(live.images, live.labels, null, result),
          "TrainingStep: indices must be given (got an undefined tensor)");
      assertFileRefused(
          () -> step.run(live.images, live.labels, Buffers.longs(0, 1, 2, 3), result),
          "StoredOutputs.read: sample must have a row (got 2, which has none in " + file + ")");
      assertThat(step.steps()).isZero();
      step.run(live.images, live.labels, live.indices, result);
      assertThat(step.steps()).isEqualTo(1);
    }
  }

  @Test
  void load_checkpointOfOtherOutputs_isRefused() {
    try (LinearStep live = live();
        StoredOutputs outputs = stored(live);
        StoredOutputs same = StoredOutputs.open(file);
        TrainingStep step = learning(TrainingStep.builder(live.student, outputs)).build();
        TrainingStep resumed = learning(TrainingStep.builder(live.student, same)).build()) {
      byte[] checkpoint = Streams.written(stream -> step.save(stream, "note"));
      assertThat(resumed.load(checkpoint)).isEqualTo("note");
      assertThatThrownBy(() -> live.step.load(checkpoint))
          .isInstanceOf(FileException.class)
          .hasMessageStartingWith("TrainingStep.load: stored_outputs must be nothing, as in this");
    }
  }

  // ---- what is wrong ---------------------------------------------------------------------------

  @Test
  void open_whatIsNoFileOfOutputs_isRefused() throws IOException {
    assertFileRefused(
        () -> StoredOutputs.open(file),
        "StoredOutputs: path must be an existing file (got " + file + ")");
    Files.writeString(file, "no outputs");
    assertFileRefused(
        () -> StoredOutputs.open(file),
        "StoredOutputs: file must be stored outputs of Retort (got " + file + ")");
    assertFileRefused(
        () -> StoredOutputs.open(new ByteArrayInputStream(new byte[0])),
        "StoredOutputs: file must be stored outputs of Retort (got the stream)");
  }

  @Test
  void read_damagedOrMissingRow_namesIt() throws IOException {
    write(FORMAT);
    byte[] bytes = Files.readAllBytes(file);
    bytes[bytes.length - 1] ^= 1;
    Files.write(file, bytes);
    try (StoredOutputs outputs = StoredOutputs.open(file)) {
      assertFileRefused(
          () -> outputs.logits(1, 3),
          "StoredOutputs.read: row of sample 3 must not be damaged (got " + file + ")");
      assertFileRefused(
          () -> outputs.features("map", 2),
          "StoredOutputs.read: sample must have a row (got 2, which has none in " + file + ")");
      assertFileRefused(
          outputs::missing,
          "StoredOutputs.missing: row of sample 3 must not be damaged (got " + file + ")");
      assertRefused(
          () -> outputs.logits(4), "StoredOutputs.read: indices must be between 0 and 3 (got 4)");
      assertIllegal(
          () -> outputs.features("mapp", 1),
          "StoredOutputs.features: tap must be one of [map] (got mapp)");
    }
  }

  @Test
  void write_rowsThatDoNotFit_isRefusedAndWritesNothing() {
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, FORMAT)) {
      String function = "StoredOutputsWriter.write: ";
      long[] rows = {3, 1};
      assertIllegal(
          () -> writer.write(rows, new float[5], FEATURES),
          function + "logits must hold 6 elements (got 5)");
      assertIllegal(
          () -> writer.write(rows, LOGITS, new float[5]),
          function + "feature map must hold 4 elements (got 5)");
      assertIllegal(
          () -> writer.write(rows, LOGITS),
          function + "features must be one for each of 1 taps (got 0)");
      assertIllegal(
          () -> writer.write(Buffers.longs(3), FloatBuffer.allocate(3), Buffers.floats(2)),
          function + "logits must be a direct buffer (got one on the heap)");
      try (Network teacher = Networks.create("resnet8", 3, 1)) {
        assertIllegal(
            () -> writer.write(Buffers.longs(3), teacher, FloatBuffer.allocate(192)),
            function + "images must be a direct buffer (got one on the heap)");
      }
      assertRefused(
          () -> writer.write(new long[] {4}, new float[3], new float[2]),
          function + "indices must be between 0 and 3 (got 4)");
      assertChecked(function + "indices", tensor -> writer.write(tensor, torch.ones(1, 3)));
      assertChecked(function + "logits", tensor -> writer.write(Tensor.create(0L), tensor));
      assertThatThrownBy(
              () -> writer.write(Tensor.create(0L), torch.ones(1, 4), torch.ones(1, 1, 2)))
          .isInstanceOf(ShapeException.class)
          .hasMessage(function + "logits must be of shape [1, 3] (got [1, 4])");
      assertThatThrownBy(
              () -> writer.write(new long[] {0}, new float[] {1, 2, Float.NaN}, new float[2]))
          .isInstanceOf(NonFiniteException.class)
          .hasMessage(function + "logits must be finite in Float (got infinity or NaN)");
      assertThat(writer.rows()).isZero();
      writer.finish();
      assertRefused(
          () -> writer.write(rows, LOGITS, FEATURES),
          function + "writer must not have finished (got one that has)");
    }
  }

  @Test
  void format_outOfRange_isRejected() {
    assertIllegal(
        () -> StoredOutputsFormat.of(0, 3),
        "StoredOutputsFormat: samples must be at least 1 (got 0)");
    assertIllegal(
        () -> StoredOutputsFormat.of(1, 0),
        "StoredOutputsFormat: classes must be between 1 and 16777216 (got 0)");
    assertIllegal(
        () -> FORMAT.withTop(3),
        "StoredOutputsFormat: top must be smaller than the number of classes, 3, or 0 for all (got"
            + " 3)");
    assertIllegal(
        () -> FORMAT.withTap("map"),
        "StoredOutputsFormat: taps must have different names (got [map, map])");
    assertIllegal(
        () -> FORMAT.withTap("", 1), "StoredTap: name must not be empty (got an empty one)");
    assertIllegal(
        () -> FORMAT.withTap("a", 0), "StoredTap: shape must have positive sizes (got [0])");
    assertIllegal(
        () -> FORMAT.withDtype(null), "StoredOutputsFormat: dtype must be given (got null)");
    assertIllegal(
        () -> StoredOutputs.writer(file, null),
        "StoredOutputs.writer: format must be given (got null)");
  }
}
