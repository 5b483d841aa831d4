package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;
import static org.retort.testing.Failures.assertUnusable;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;

/** Predictions and accuracy. */
final class PredictTest {
  private static final int BATCH = 4;
  private static final int IMAGE = 3 * 8 * 8;

  @AutoClose private final PointerScope scope = new PointerScope();
  private Network network;
  private Tensor images;
  private FloatBuffer imageBuffer;

  /** What the network predicts. */
  private long[] predicted;

  @BeforeEach
  void makeNetworkAndImages() {
    Retort.manualSeed(3);
    network = ResNet.cifar(8, 5);
    network.probe(3, 8, 8);
    images = torch.randn(BATCH, 3, 8, 8);
    imageBuffer = Buffers.floats(images);
    predicted = new long[BATCH];
    LongOptional classes = new LongOptional(1);
    Buffers.longs(network.predict(images).argmax(classes, false)).get(predicted);
  }

  @Test
  void predict_tensor_givesLogitsAndChangesNothing() {
    Map<String, ByteBuffer> before = Bits.of(network.stateDict());
    Tensor logits = network.predict(images);
    assertThat(logits.shape()).containsExactly(BATCH, 5);
    assertThat(logits.requires_grad()).isFalse();
    assertThat(Bits.of(network.stateDict())).isEqualTo(before);
  }

  @Test
  void predict_evaluationMode_treatsImagesOneByOne() {
    Tensor first = network.predict(imageBuffer.slice(0, IMAGE));
    assertThat(first.sub(network.predict(images).select(0, 0)).abs().max().item_double())
        .isLessThan(1e-5);
  }

  @Test
  void predict_buffer_equalsTensor() {
    FloatBuffer longer =
        Buffers.floats((BATCH + 1) * IMAGE).put(IMAGE, imageBuffer, 0, BATCH * IMAGE);
    Tensor logits = network.predict(longer.position(IMAGE));
    assertThat(Bits.of(logits)).isEqualTo(Bits.of(network.predict(images)));
  }

  @Test
  void predict_buffers_writesBetweenPositionAndLimit() {
    FloatBuffer logits = Buffers.floats(BATCH * 5 + 2).position(1).limit(BATCH * 5 + 1);
    logits.put(0, 7).put(1, 7);
    network.predict(imageBuffer, logits);
    assertThat(logits.position()).isEqualTo(1);
    assertThat(logits.slice().mismatch(Buffers.floats(network.predict(images)))).isEqualTo(-1);
    logits.clear();
    assertThat(logits.get(0)).isEqualTo(7);
    assertThat(logits.get(BATCH * 5 + 1)).isZero();
  }

  @Test
  void predict_badLogits_isRefused() {
    assertIllegal(
        () -> network.predict(imageBuffer, null),
        "ResNet.predict: logits must be given (got null)");
    assertIllegal(
        () -> network.predict(imageBuffer, FloatBuffer.allocate(BATCH * 5)),
        "ResNet.predict: logits must be a direct buffer (got one on the heap)");
    assertIllegal(
        () -> network.predict(imageBuffer, Buffers.floats(BATCH * 5).asReadOnlyBuffer()),
        "ResNet.predict: logits must be writable (got a read-only buffer)");
    assertIllegal(
        () -> network.predict(imageBuffer, Buffers.floats(BATCH * 5 + 1)),
        "ResNet.predict: logits must hold 20 elements (got 21)");
    assertIllegal(
        () ->
            network.predict(
                imageBuffer,
                ByteBuffer.allocateDirect(80).order(ByteOrder.BIG_ENDIAN).asFloatBuffer()),
        "ResNet.predict: logits must have the native byte order (got BIG_ENDIAN)");
    assertUnusable(
        () -> ResNet.cifar(8, 5).predict(imageBuffer, Buffers.floats(BATCH * 5)),
        "ResNet.predict: input shape must be known, call probe first (got none)");
  }

  @Test
  void publish_thenChanged_predictsWithThePublished() {
    ByteBuffer published = Bits.of(network.predict(images));
    network.publish();
    network.stateDict().get("fc.bias").fill_(new Scalar(7f));
    assertThat(Bits.of(network.predict(images))).isEqualTo(published);
    network.publish();
    assertThat(Bits.of(network.predict(images))).isNotEqualTo(published);
  }

  @Test
  void classes_areKnownOnceProbed() {
    assertThat(network.classes()).isEqualTo(5);
    assertThat(ResNet.cifar(8, 5).classes()).isZero();
  }

  @Test
  void predict_double_needsDoubleImages() {
    network.convert(ScalarType.Double);
    assertThat(network.predict(images.to(ScalarType.Double)).scalar_type().intern())
        .isEqualTo(ScalarType.Double);
    assertThatThrownBy(() -> network.predict(imageBuffer))
        .isExactlyInstanceOf(RetortException.class)
        .message()
        .isNotBlank()
        .hasLineCount(1);
  }

  @Test
  void accuracy_labels_countsThoseFound() {
    LongBuffer labels = Buffers.longs(predicted);
    assertThat(network.accuracy(imageBuffer, labels)).isEqualTo(1);
    labels.put(0, (predicted[0] + 1) % 5);
    assertThat(network.accuracy(imageBuffer, labels)).isEqualTo(0.75);
    labels.put(1, -1).put(2, -1);
    assertThat(network.accuracy(imageBuffer, labels)).isEqualTo(0.5);
    assertThat(network.accuracy(images, Tensor.create(predicted))).isEqualTo(1);
  }

  @Test
  void accuracy_badLabels_isRefused() {
    assertRefused(
        () -> network.accuracy(imageBuffer, Buffers.longs(0, 5, 0, 0)),
        "Network.accuracy: labels must be between -1 and 4 (got 5 at 1)");
    assertRefused(
        () -> network.accuracy(imageBuffer, Buffers.longs(-1, -1, -1, -1)),
        "Network.accuracy: labels must name at least one class (got none)");
    assertRefused(
        () -> network.accuracy(images, torch.zeros(BATCH)),
        "Network.accuracy: labels must be int64 (got Float)");
    assertRefused(
        () -> network.accuracy(images, Tensor.create(0L, 1L)),
        "Network.accuracy: labels must be of shape [4] (got [2])");
    assertIllegal(
        () -> network.accuracy(imageBuffer, null),
        "ResNet.accuracy: labels must be given (got null)");
    assertIllegal(
        () -> network.accuracy(images, null), "ResNet.accuracy: labels must be given (got null)");
    assertIllegal(
        () -> network.accuracy(imageBuffer, LongBuffer.allocate(BATCH)),
        "ResNet.accuracy: labels must be a direct buffer (got one on the heap)");
    assertIllegal(
        () -> network.accuracy(imageBuffer, Buffers.longs(0, 1)),
        "ResNet.accuracy: labels must hold 4 elements (got 2)");
  }

  @Test
  void predict_badImages_isRefused() {
    String wrongShape = "ResNet: images must be of shape [batch, 3, height, width] (got %s)";
    assertRefused(
        () -> network.predict(torch.zeros(2, 1, 8, 8)), wrongShape.formatted("[2, 1, 8, 8]"));
    assertRefused(() -> network.predict(torch.zeros(3, 8, 8)), wrongShape.formatted("[3, 8, 8]"));
    assertIllegal(
        () -> network.predict((Tensor) null), "ResNet.predict: images must be given (got null)");
    assertIllegal(
        () -> network.predict(new Tensor()),
        "ResNet.predict: images must be defined (got an undefined tensor)");
    assertIllegal(
        () -> network.predict((FloatBuffer) null),
        "ResNet.predict: images must be given (got null)");
    assertIllegal(
        () -> network.predict(FloatBuffer.allocate(IMAGE)),
        "ResNet.predict: images must be a direct buffer (got one on the heap)");
    assertIllegal(
        () ->
            network.predict(
                ByteBuffer.allocateDirect(4 * IMAGE).order(ByteOrder.BIG_ENDIAN).asFloatBuffer()),
        "ResNet.predict: images must have the native byte order (got BIG_ENDIAN)");
    assertIllegal(
        () -> network.predict(imageBuffer.slice(0, IMAGE - 1)),
        "ResNet.predict: images must hold a positive multiple of 192 elements (got 191)");
    assertIllegal(
        () -> network.predict(imageBuffer.slice(0, 0)),
        "ResNet.predict: images must hold a positive multiple of 192 elements (got 0)");
  }

  @Test
  void predict_closedTensor_isRejected() {
    Tensor closed = torch.zeros(1);
    closed.close();
    assertUnusable(
        () -> network.predict(closed), "ResNet.predict: images must be open (got a closed tensor)");
    assertUnusable(
        () -> network.accuracy(images, closed),
        "ResNet.accuracy: labels must be open (got a closed tensor)");
  }

  @Test
  void predict_bufferBeforeProbe_isRejected() {
    Network fresh = ResNet.cifar(8, 5);
    assertUnusable(
        () -> fresh.predict(imageBuffer),
        "ResNet.predict: input shape must be known, call probe first (got none)");
    assertUnusable(
        () -> fresh.accuracy(imageBuffer, Buffers.longs(predicted)),
        "ResNet.accuracy: input shape must be known, call probe first (got none)");
    assertThat(fresh.predict(images).shape()).containsExactly(BATCH, 5);
  }

  @Test
  void moveTo_cpu_changesNothing() {
    Map<String, ByteBuffer> before = Bits.of(network.stateDict());
    network.moveTo("cpu");
    assertThat(Bits.of(network.stateDict())).isEqualTo(before);
  }

  @Test
  void moveTo_noDevice_isRefused() {
    for (String device : new String[] {"", "tpu", "cpu:1", "meta", "CPU"}) {
      assertRefused(
          () -> network.moveTo(device),
          "Network.move_to: device must be cpu or cuda (got " + device + ")");
    }
    assertIllegal(() -> network.moveTo(null), "ResNet.moveTo: device must be given (got null)");
  }

  @Test
  void moveTo_cudaThatIsNotThere_saysWhatIsMissing() {
    assumeFalse(Retort.isCudaAvailable());
    assertThatThrownBy(() -> network.moveTo("cuda"))
        .isInstanceOf(RetortException.class)
        .hasMessageStartingWith("Network.move_to: CUDA must be available (got ");
  }

  @Test
  void convert_notFloatingPoint_isRefused() {
    Map<String, ByteBuffer> before = Bits.of(network.stateDict());
    assertRefused(
        () -> network.convert(ScalarType.Long),
        "Network.convert: dtype must be floating point (got Long)");
    assertIllegal(() -> network.convert(null), "ResNet.convert: dtype must be given (got null)");
    assertThat(Bits.of(network.stateDict())).isEqualTo(before);
  }
}
