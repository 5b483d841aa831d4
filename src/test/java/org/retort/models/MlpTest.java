package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.testing.Bits;

final class MlpTest {
  @AutoClose private final PointerScope scope = new PointerScope();

  @Test
  void of_sizes_hasTorchsSequentialsNames() {
    try (Network network = Mlp.of(64, 128, 10)) {
      assertThat(network.stateDict().keySet())
          .containsExactly("0.weight", "0.bias", "2.weight", "2.bias");
      assertThat(network.parameterCount()).isEqualTo(64 * 128 + 128 + 128 * 10 + 10);
    }
  }

  @Test
  void probe_inputs_givesTheShapesOfTheTaps() {
    try (Network network = Mlp.of(12, 5, 4, 3)) {
      network.probe(3, 2, 2);
      assertThat(network.inputShape()).containsExactly(3, 2, 2);
      assertThat(network.taps())
          .containsExactly("layer1", "layer2", "layer1.pre", "layer2.pre", "embedding");
      assertThat(network.tapShape("layer1")).containsExactly(5);
      assertThat(network.tapShape("layer2.pre")).containsExactly(4);
      assertThat(network.tapShape("embedding")).containsExactly(4);
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
    try (Network network = Mlp.of(64, 10)) {
      return Bits.of(network.stateDict());
    }
  }

  @Test
  void saveTorchScript_isTheSameNetwork(@TempDir Path folder) {
    Path file = folder.resolve("network.ts");
    try (Network network = Mlp.of(6, 5, 3)) {
      network.saveTorchScript(file);
      try (Network loaded = TorchScriptNetwork.load(file)) {
        Tensor inputs = torch.randn(7, 2, 3);
        assertThat(Bits.of(loaded.stateDict())).isEqualTo(Bits.of(network.stateDict()));
        assertThat(Bits.of(loaded.predict(inputs))).isEqualTo(Bits.of(network.predict(inputs)));
        assertThat(loaded.taps()).isEqualTo(network.taps());
      }
    }
  }

  @Test
  void of_otherSizes_isRejected() {
    assertIllegal(() -> Mlp.of((long[]) null), "Mlp.of: sizes must be given (got null)");
    String rule = "Mlp.of: sizes must be at least two, all of them positive (got ";
    assertIllegal(Mlp::of, rule + "[])");
    assertIllegal(() -> Mlp.of(64), rule + "[64])");
    assertIllegal(() -> Mlp.of(64, 0, 10), rule + "[64, 0, 10])");
  }

  @Test
  void probe_wrongInputs_isRefused() {
    try (Network network = Mlp.of(6, 3)) {
      assertRefused(
          () -> network.probe(5),
          "Mlp: images must be of shape [batch, ...] with 6 elements each (got [2, 5])");
    }
  }
}
