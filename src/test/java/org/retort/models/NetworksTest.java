package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.losses.OfdLoss;
import org.retort.testing.Bits;
import org.retort.testing.Program;

final class NetworksTest {
  /** Each family's own factory, by a name that makes the same network. */
  private static final Map<String, Supplier<Network>> FACTORIES =
      Map.of(
          "resnet8", () -> ResNet.cifar(8, 100),
          "resnet8x4", () -> ResNet.cifarX4(8, 100),
          "wrn_16_2", () -> WideResNet.cifar(16, 2, 100),
          "vgg8", () -> Vgg.cifar(8, 100),
          "MobileNetV2", () -> MobileNetV2.cifar(100),
          "ShuffleV1", () -> ShuffleNetV1.cifar(100),
          "ShuffleV2", () -> ShuffleNetV2.cifar(100));

  @AutoClose private final PointerScope scope = new PointerScope();

  @ParameterizedTest
  @CsvSource({
    "resnet8, 83892, 56",
    "resnet8x4, 1233540, 62",
    "wrn_16_2, 703284, 83",
    "vgg8, 3965028, 37",
    "MobileNetV2, 812836, 320",
    "ShuffleV1, 949258, 296",
    "ShuffleV2, 1355528, 338"
  })
  void create_100Classes_isRepDistillersAndThatOfItsFactory(
      String name, long parameters, int entries) {
    try (Network created = Networks.create(name, 100, 3);
        Network made = FACTORIES.get(name).get()) {
      assertThat(created.parameterCount()).isEqualTo(parameters);
      assertThat(created.stateDict()).hasSize(entries);
      assertThat(made.parameterCount()).isEqualTo(parameters);
      assertThat(made.stateDict().keySet()).containsExactlyElementsOf(created.stateDict().keySet());
      assertThat(made.taps()).isEqualTo(created.taps());
    }
  }

  @Test
  void names_every_canBeMade() {
    assertThat(Networks.names())
        .hasSize(25)
        .contains("resnet110", "resnet32x4", "wrn_40_2", "vgg19", "ShuffleV1")
        .contains("resnet18", "resnet34", "resnet50", "mobilenet_v2");
    for (String name : Networks.names()) {
      try (Network network = Networks.create(name, 7, 1)) {
        network.probe(1, 32, 32);
        assertThat(network.classes()).as(name).isEqualTo(7);
        assertThat(network.taps()).as(name).contains("stem", "layer3", "layer3.pre", "embedding");
      }
    }
  }

  @Test
  void create_mlp_hasTheLayersOfItsName() {
    try (Network network = Networks.create("mlp_8_5", 3, 12);
        Network made = Mlp.of(12, 8, 5, 3)) {
      network.probe(12);
      assertThat(network.classes()).isEqualTo(3);
      assertThat(network.taps()).isEqualTo(made.taps());
      assertThat(network.parameterCount()).isEqualTo(made.parameterCount());
      assertThat(network.stateDict().keySet()).containsExactlyElementsOf(made.stateDict().keySet());
    }
  }

  @Test
  void createFor_shape_takesSamplesOfIt() {
    for (String name : List.of("vgg8", "mlp_4")) {
      try (Network network = Networks.createFor(name, 3, 1, 8, 16)) {
        network.probe(1, 8, 16);
        assertThat(network.classes()).isEqualTo(3);
      }
    }
    try (Network network = Networks.createFor("mlp_4", 3, 7)) {
      network.probe(7);
    }
    assertIllegal(
        () -> Networks.createFor("mlp_4", 3),
        "Networks.createFor: input shape must have positive sizes (got [])");
    assertIllegal(
        () -> Networks.createFor("mlp_4", 0, 7),
        "Networks.createFor: classes must be positive (got 0)");
  }

  @Test
  void isName_ofEveryForm_isTrue() {
    assertThat(Networks.names()).allMatch(Networks::isName);
    assertThat(List.of("mlp_1", "mlp_256_128", "mlp_999999999")).allMatch(Networks::isName);
    assertThat(
            List.of(
                "",
                "mlp",
                "mlp_",
                "mlp_0",
                "mlp_08",
                "mlp_8_",
                "mlp__8",
                "mlp_-8",
                "mlp_8x",
                "mlp8",
                "MLP_8",
                "mlp_1000000000",
                "mlp_<units>_...",
                "resnet9"))
        .noneMatch(Networks::isName);
    assertThat(Networks.nameForms())
        .startsWith(Networks.names().toArray(new String[0]))
        .endsWith("mlp_<units>_...")
        .hasSize(Networks.names().size() + 1);
    assertIllegal(() -> Networks.isName(null), "Networks.isName: name must be given (got null)");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "resnet8",
        "wrn_16_1",
        "vgg8",
        "MobileNetV2",
        "ShuffleV1",
        "ShuffleV2",
        "resnet18",
        "mobilenet_v2"
      })
  void saveTorchScript_everyFamily_isTheSameNetwork(String name, @TempDir Path folder) {
    Path file = folder.resolve("network.ts");
    try (Network network = Networks.create(name, 5, 3)) {
      network.saveTorchScript(file);
      try (Network loaded = TorchScriptNetwork.load(file)) {
        Tensor images = torch.randn(2, 3, 16, 16);
        assertThat(Bits.of(loaded.stateDict())).isEqualTo(Bits.of(network.stateDict()));
        assertThat(Bits.of(loaded.predict(images))).isEqualTo(Bits.of(network.predict(images)));
        assertThat(loaded.taps()).isEqualTo(network.taps());
      }
    }
  }

  @Test
  void backbone_ofEachFamily_isAllBelowTheLastMap() {
    assertBackbone("resnet8", "conv1", "bn1", "layer1", "layer2", "layer3");
    assertBackbone("wrn_16_1", "conv1", "block1", "block2", "block3");
    assertBackbone("vgg8", "block0", "block1", "block2", "block3", "block4");
    assertBackbone("MobileNetV2", "conv1", "blocks");
    assertBackbone("ShuffleV1", "conv1", "bn1", "layer1", "layer2", "layer3");
    assertBackbone("ShuffleV2", "conv1", "bn1", "layer1", "layer2", "layer3");
    assertBackbone("resnet18", "conv1", "bn1", "layer1", "layer2", "layer3", "layer4");
    assertBackbone(
        "mobilenet_v2",
        IntStream.rangeClosed(0, 17).mapToObj(i -> "features." + i).toArray(String[]::new));
    try (Network mlp = Mlp.of(6, 5, 4, 3)) {
      assertThat(mlp.backbone()).containsExactly("0", "2");
    }
  }

  private static void assertBackbone(String name, String... modules) {
    try (Network network = Networks.create(name, 5, 3)) {
      assertThat(network.backbone()).as(name).containsExactly(modules);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "resnet20, layer2.pre, layer2.2.bn2",
    "wrn_40_1, layer1.pre, block2.layer.0.bn1",
    "wrn_40_1, layer3.pre, bn1",
    "vgg13, layer4.pre, block4.4",
    "MobileNetV2, layer3.pre, blocks.4.2.conv.7",
    "resnet18, layer4.pre, layer4.1.bn2",
    "resnet50, layer2.pre, layer2.3.bn3",
    "mobilenet_v2, layer3.pre, features.13.conv.3"
  })
  void normBefore_ofEachFamily_givesOfdItsMargins(String name, String tap, String norm) {
    try (Network network = Networks.create(name, 5, 3)) {
      assertThat(network.normBefore(tap)).isEqualTo(norm);
      assertThat(OfdLoss.ofTeacherMargins(network, network.normBefore(tap))).isNotNull();
    }
  }

  @Test
  void normBefore_none_isRefused() {
    String rule = "Network.norm_before: ";
    try (Network resNet = Networks.create("resnet8", 5, 3);
        Network shuffle = Networks.create("ShuffleV1", 5, 3);
        Network mlp = Mlp.of(6, 5, 3)) {
      assertIllegal(
          () -> resNet.normBefore(null), "Network.normBefore: tap must be given (got null)");
      assertRefused(
          () -> resNet.normBefore("stem"),
          rule + "tap must be one of layer1.pre, layer2.pre, layer3.pre (got stem)");
      String none = rule + "network must have a BatchNorm before a tap (got none)";
      assertRefused(() -> shuffle.normBefore("layer1.pre"), none);
      assertRefused(() -> mlp.normBefore("layer1.pre"), none);
    }
  }

  @Test
  void structure_ofTorchScript_isNotKnown(@TempDir Path folder) {
    Path file =
        Program.linear(5)
            .save(
                folder.resolve("program.ts"),
                "return torch.linear(x.flatten(1), self.weight), {'x': x}");
    try (Network network = TorchScriptNetwork.load(file)) {
      String rule =
          ": network must be a native one, or implement structure (got TorchScriptNetwork)";
      assertRefused(network::backbone, "Network.backbone" + rule);
      assertRefused(() -> network.normBefore("x"), "Network.norm_before" + rule);
    }
  }

  @Test
  void create_otherArguments_isRejected() {
    assertRefused(
        () -> Networks.create("resnet9", 10, 3),
        "make_network: name must be one of "
            + String.join(", ", Networks.nameForms())
            + " (got resnet9, did you mean resnet8?)");
    assertIllegal(
        () -> Networks.create(null, 10, 3), "Networks.create: name must be given (got null)");
    assertIllegal(
        () -> Networks.create("vgg8", 0, 3), "Networks.create: classes must be positive (got 0)");
    assertIllegal(
        () -> Networks.create("vgg8", 10, -1),
        "Networks.create: input channels must be positive (got -1)");
  }

  @Test
  void cifar_leastDepthAndWidth_isTheSmallest() {
    try (Network network = WideResNet.cifar(10, 1, 2)) {
      network.probe(3, 8, 8);
      assertThat(network.classes()).isEqualTo(2);
    }
  }

  @Test
  void cifar_otherArguments_isRejected() {
    assertIllegal(
        () -> WideResNet.cifar(8, 1, 10),
        "WideResNet.cifar: depth must be 6n + 4 between 10 and 1204 (got 8)");
    assertIllegal(
        () -> WideResNet.cifar(16, 65, 10),
        "WideResNet.cifar: width must be between 1 and 64 (got 65)");
    assertIllegal(
        () -> WideResNet.cifar(16, 0, 10),
        "WideResNet.cifar: width must be between 1 and 64 (got 0)");
    assertIllegal(
        () -> WideResNet.cifar(16, 1, 0), "WideResNet.cifar: classes must be positive (got 0)");
    assertIllegal(() -> Vgg.cifar(9, 10), "Vgg.cifar: depth must be 8, 11, 13, 16 or 19 (got 9)");
    assertIllegal(() -> Vgg.cifar(8, 10, 0), "Vgg.cifar: input channels must be positive (got 0)");
    assertIllegal(
        () -> MobileNetV2.cifar(Double.NaN, 10, 3),
        "MobileNetV2.cifar: width must be between 0.0625 and 16 (got NaN)");
    assertIllegal(
        () -> MobileNetV2.cifar(0), "MobileNetV2.cifar: classes must be positive (got 0)");
    assertIllegal(
        () -> ShuffleNetV1.cifar(-1), "ShuffleNetV1.cifar: classes must be positive (got -1)");
    assertIllegal(
        () -> ShuffleNetV2.cifar(10, 0),
        "ShuffleNetV2.cifar: input channels must be positive (got 0)");
  }

  @Test
  void predict_otherImages_isRefused() {
    try (Network network = Networks.create("vgg8", 10, 3)) {
      assertRefused(
          () -> network.predict(torch.zeros(2, 3, 4, 8)),
          "Vgg: images must have a height and width of at least 8 (got [2, 3, 4, 8])");
    }
  }
}
