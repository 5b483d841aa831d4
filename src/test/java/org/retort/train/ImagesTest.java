package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.models.Preprocessing;
import org.retort.testing.Buffers;

/** The forms in which images may come: each trains as the floats that it stands for. */
final class ImagesTest {
  private static final int BATCH = LinearStep.BATCH;
  private static final int CHANNELS = 3;
  private static final int PIXELS = LinearStep.IMAGE / CHANNELS;
  private static final double[] MEAN = {0.5, 0.4, 0.3};
  private static final double[] DEVIATION = {0.25, 0.5, 2};
  private static final Preprocessing NORMALIZED =
      Preprocessing.of().withNormalization(MEAN, DEVIATION);

  @AutoClose private final PointerScope scope = new PointerScope();
  @TempDir private Path folder;

  private final byte[] bytes = new byte[BATCH * LinearStep.IMAGE];
  private final long[] labels = {0, 2, 1, 2};

  ImagesTest() {
    new Random(1).nextBytes(bytes);
  }

  @Test
  void bytes_inAnyForm_areFractionsOf255() {
    float[] fractions = floats((value, channel) -> value);
    ByteBuffer direct = ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
    LongBuffer classes = Buffers.longs(labels);
    Tensor tensor = Tensor.create(bytes, BATCH, CHANNELS, 2, 2).to(ScalarType.Byte);
    Tensor classTensor = Tensor.create(labels);
    UnaryOperator<TrainingStepBuilder> plain = builder -> builder;

    double[] expected = trained(plain, linear -> run(linear, fractions));
    assertTrains(expected, plain, linear -> run(linear, bytes));
    assertTrains(
        expected, plain, linear -> linear.step.run(StepInput.of(direct, classes), linear.result));
    assertTrains(
        expected, plain, linear -> linear.step.run(tensor, classTensor, null, linear.result));
  }

  @Test
  void normalize_bytesAndFloats_isAsByHand() {
    float[] fractions = floats((value, channel) -> value);
    float[] byHand =
        floats((value, channel) -> (value - (float) MEAN[channel]) / (float) DEVIATION[channel]);
    double[] expected = trained(builder -> builder, linear -> run(linear, byHand));
    UnaryOperator<TrainingStepBuilder> normalized = builder -> builder.preprocessing(NORMALIZED);
    assertTrains(expected, normalized, linear -> run(linear, bytes));
    assertTrains(expected, normalized, linear -> run(linear, fractions));
  }

  @Test
  void normalize_oneNumber_isForAllChannels() {
    float[] byHand = floats((value, channel) -> (value - 0.5f) / 0.25f);
    double[] expected = trained(builder -> builder, linear -> run(linear, byHand));
    assertTrains(
        expected,
        builder ->
            builder.preprocessing(
                Preprocessing.of().withNormalization(new double[] {0.5}, new double[] {0.25})),
        linear -> run(linear, bytes));
  }

  @Test
  void imagesChannelsLast_inAnyForm_areTheSameImages() {
    byte[] last = new byte[bytes.length];
    for (int image = 0; image < BATCH; image++) {
      for (int channel = 0; channel < CHANNELS; channel++) {
        for (int pixel = 0; pixel < PIXELS; pixel++) {
          int start = image * LinearStep.IMAGE;
          last[start + pixel * CHANNELS + channel] = bytes[start + channel * PIXELS + pixel];
        }
      }
    }
    Tensor tensor = Tensor.create(last, BATCH, 2, 2, CHANNELS).to(ScalarType.Byte);
    Tensor classes = Tensor.create(labels);
    UnaryOperator<TrainingStepBuilder> normalized = builder -> builder.preprocessing(NORMALIZED);
    UnaryOperator<TrainingStepBuilder> option =
        builder -> builder.preprocessing(NORMALIZED.withChannelsLast(true));

    double[] expected = trained(normalized, linear -> run(linear, bytes));
    assertTrains(expected, option, linear -> run(linear, last));
    assertTrains(expected, option, linear -> linear.step.run(tensor, classes, null, linear.result));
  }

  @Test
  void floatArrays_equalBuffersBitForBit() {
    try (LinearStep buffers = new LinearStep(folder, builder -> builder);
        LinearStep arrays = new LinearStep(folder, builder -> builder)) {
      float[] images = new float[bytes.length];
      buffers.images.get(0, images);
      buffers.run();
      arrays.step.run(StepInput.of(images, labels), arrays.result);
      assertThat(arrays.numbers()).isEqualTo(buffers.numbers());
      assertThat(arrays.values(LinearStep.WEIGHT)).isEqualTo(buffers.values(LinearStep.WEIGHT));
    }
  }

  private void run(LinearStep linear, byte[] images) {
    linear.step.run(StepInput.of(images, labels), linear.result);
  }

  private void run(LinearStep linear, float[] images) {
    linear.step.run(StepInput.of(images, labels), linear.result);
  }

  /** What becomes of a byte divided by 255. */
  private interface Preparation {
    float apply(float value, int channel);
  }

  private float[] floats(Preparation preparation) {
    float[] floats = new float[bytes.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = preparation.apply(Byte.toUnsignedInt(bytes[i]) / 255f, i / PIXELS % CHANNELS);
    }
    return floats;
  }

  /** Returns the weights after a step. */
  private double[] trained(UnaryOperator<TrainingStepBuilder> option, Consumer<LinearStep> run) {
    try (LinearStep linear = new LinearStep(folder, option)) {
      run.accept(linear);
      return linear.values(LinearStep.WEIGHT);
    }
  }

  private void assertTrains(
      double[] expected, UnaryOperator<TrainingStepBuilder> option, Consumer<LinearStep> run) {
    assertThat(trained(option, run)).containsExactly(expected, within(1e-5));
  }

  @Test
  void memory_ofAWrongSizeOrKind_isRejected() {
    try (LinearStep linear = new LinearStep(folder, builder -> builder)) {
      TrainingStep step = linear.step;
      StepResult result = linear.result;
      ByteBuffer direct = ByteBuffer.allocateDirect(bytes.length);
      assertIllegal(
          () -> StepInput.of((ByteBuffer) null, null),
          "StepInput.of: images must be given (got null)");
      assertRejected(
          () -> step.run(StepInput.of(ByteBuffer.wrap(bytes), null), result),
          "images must be a direct buffer (got one on the heap)");
      assertRejected(
          () -> step.run(StepInput.of(direct.slice(0, 13), null), result),
          "images must hold a positive multiple of 12 elements (got 13)");
      assertRejected(
          () -> step.run(StepInput.of(direct, Buffers.longs(1)), result),
          "labels must hold 4 elements (got 1)");
      assertRejected(
          () ->
              step.run(
                  StepInput.of(direct, linear.labels).withIndices(LongBuffer.wrap(labels)), result),
          "indices must be a direct buffer (got one on the heap)");
      assertIllegal(
          () -> StepInput.of((byte[]) null, labels),
          "StepInput.of: images must be given (got null)");
      assertRejected(
          () -> step.run(StepInput.of(new byte[0], labels), result),
          "images must hold a positive multiple of 12 elements (got 0)");
      assertRejected(
          () -> step.run(StepInput.of(bytes, new long[3]), result),
          "labels must hold 4 elements (got 3)");
      assertIllegal(
          () -> StepInput.of((float[]) null, labels),
          "StepInput.of: images must be given (got null)");
      assertRejected(
          () -> step.run(StepInput.of(new float[13], labels), result),
          "images must hold a positive multiple of 12 elements (got 13)");
      assertRejected(
          () -> step.run(StepInput.of(new float[12], new long[1]).withIndices(labels), result),
          "indices must hold 1 elements (got 4)");
      assertRejected(
          () -> step.run(StepInput.of(bytes, labels), null), "result must be given (got null)");
    }
  }

  private static void assertRejected(ThrowingCallable call, String rule) {
    assertIllegal(call, "TrainingStep.run: " + rule);
  }

  @Test
  void preprocessing_argumentsWrong_areRejected() {
    assertNormalizing(null, MEAN, "mean must be given (got null)");
    assertNormalizing(MEAN, null, "deviation must be given (got null)");
    assertNormalizing(
        MEAN, new double[] {1}, "mean and deviation must have the same length (got 3 and 1)");
    assertNormalizing(new double[] {Double.NaN}, new double[] {1}, "mean must be finite (got NaN)");
    assertNormalizing(
        new double[] {0}, new double[] {0}, "deviation must be positive and finite (got 0.0)");
    assertIllegal(
        () -> Preprocessing.of(3, 0, 2),
        "Preprocessing: input shape must have positive sizes (got [3, 0, 2])");
    Preprocessing ofTwo =
        Preprocessing.of().withNormalization(new double[] {0, 0}, new double[] {1, 1});
    assertRefused(
        () -> new LinearStep(folder, builder -> builder.preprocessing(ofTwo)),
        "TrainingStep: mean must be one for each of 3 channels, or one (got 2)");
    assertRefused(
        () -> new LinearStep(folder, builder -> builder.preprocessing(Preprocessing.of(3, 4, 4))),
        "TrainingStep: input shape must be that of the preprocessing, [3, 4, 4] (got [3, 2, 2])");
  }

  private static void assertNormalizing(double[] mean, double[] deviation, String rule) {
    assertIllegal(
        () -> Preprocessing.of().withNormalization(mean, deviation), "Preprocessing: " + rule);
  }
}
