package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.ByteBuffer;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.Retort;
import org.retort.testing.Bits;

final class ResNetTest {
  @Test
  void probe_images_givesTheShapesOfTheTaps() {
    try (Network network = ResNet.cifar(8, 10, 1)) {
      assertThat(network.inputShape()).isEmpty();
      network.probe(1, 12, 8);
      assertThat(network.inputShape()).containsExactly(1, 12, 8);
      assertThat(network.taps())
          .containsExactly(
              "stem",
              "layer1",
              "layer2",
              "layer3",
              "layer1.pre",
              "layer2.pre",
              "layer3.pre",
              "embedding");
      assertThat(network.tapShape("stem")).containsExactly(16, 12, 8);
      assertThat(network.tapShape("layer1.pre")).containsExactly(16, 12, 8);
      assertThat(network.tapShape("layer2")).containsExactly(32, 6, 4);
      assertThat(network.tapShape("layer3")).containsExactly(64, 3, 2);
      assertThat(network.tapShape("embedding")).containsExactly(64);
    }
  }

  @Test
  void probe_everyTime_changesNothing() {
    try (Network network = ResNet.cifar(8, 10)) {
      Map<String, ByteBuffer> before = Bits.of(network.stateDict());
      network.probe(3, 8, 8);
      assertThat(Bits.of(network.stateDict())).isEqualTo(before);
    }
  }

  @Test
  void stateDict_names_areRepDistillers() {
    try (Network network = ResNet.cifar(8, 10)) {
      assertThat(network.stateDict().keySet())
          .hasSize(56)
          .startsWith("conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean")
          .contains(
              "bn1.running_var",
              "bn1.num_batches_tracked",
              "layer1.0.conv1.weight",
              "layer2.0.downsample.0.weight",
              "layer3.0.downsample.1.running_var")
          .endsWith("fc.weight", "fc.bias");
    }
  }

  @Test
  void manualSeed_same_givesTheSameWeights() {
    Map<String, ByteBuffer> first = weights(7);
    assertThat(weights(7)).isEqualTo(first);
    assertThat(weights(8)).isNotEqualTo(first);
  }

  private static Map<String, ByteBuffer> weights(long seed) {
    Retort.manualSeed(seed);
    try (Network network = ResNet.cifar(8, 10)) {
      return Bits.of(network.stateDict());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {-4, 0, 2, 9, 18, 1208, Integer.MAX_VALUE - 5})
  void cifar_otherDepth_isRejected(int depth) {
    String rule = ": depth must be 6n + 2 between 8 and 1202 (got " + depth + ")";
    assertIllegal(() -> ResNet.cifar(depth, 10), "ResNet.cifar" + rule);
    assertIllegal(() -> ResNet.cifarX4(depth, 10), "ResNet.cifarX4" + rule);
  }

  @Test
  void cifar_countNotPositive_isRejected() {
    assertIllegal(() -> ResNet.cifar(8, 0), "ResNet.cifar: classes must be positive (got 0)");
    assertIllegal(() -> ResNet.cifarX4(8, -1), "ResNet.cifarX4: classes must be positive (got -1)");
    assertIllegal(
        () -> ResNet.cifar(8, 10, 0), "ResNet.cifar: input channels must be positive (got 0)");
  }

  @Test
  void probe_noShape_isRejected() {
    try (Network network = ResNet.cifar(8, 10)) {
      assertIllegal(
          () -> network.probe((long[]) null), "ResNet.probe: input shape must be given (got null)");
      assertIllegal(network::probe, "ResNet.probe: input shape must have positive sizes (got [])");
      assertIllegal(
          () -> network.probe(3, 0, 8),
          "ResNet.probe: input shape must have positive sizes (got [3, 0, 8])");
    }
  }

  @Test
  void probe_wrongImages_isRefused() {
    try (Network network = ResNet.cifar(8, 10)) {
      assertRefused(
          () -> network.probe(1, 8, 8),
          "ResNet: images must be of shape [batch, 3, height, width] (got [2, 1, 8, 8])");
      assertThat(network.inputShape()).isEmpty();
    }
  }

  @Test
  void tapShape_unknown_isRefused() {
    try (Network network = ResNet.cifar(8, 10)) {
      assertIllegal(() -> network.tapShape(null), "ResNet.tapShape: tap must be given (got null)");
      assertRefused(
          () -> network.tapShape("stem"),
          "Network: shapes must be known, call probe first (got tap stem)");
      assertRefused(
          () -> network.tapShape("layer4"),
          "Network: tap must be one of stem, layer1, layer2, layer3, layer1.pre, layer2.pre,"
              + " layer3.pre, embedding (got layer4, did you mean layer1?)");
    }
  }
}
