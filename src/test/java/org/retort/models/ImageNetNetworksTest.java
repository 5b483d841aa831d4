package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.ByteVector;
import org.bytedeco.pytorch.GenericDict;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.losses.CrdLoss;
import org.retort.losses.FspLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.losses.OfdLoss;
import org.retort.testing.Bits;
import org.retort.train.Sgd;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

final class ImageNetNetworksTest {
  private static final Map<String, Supplier<Network>> FACTORIES =
      Map.of(
          "resnet18", () -> ResNet.imageNet(18, 100),
          "resnet34", () -> ResNet.imageNet(34, 100, 3),
          "resnet50", () -> ResNet.imageNet(50, 100),
          "mobilenet_v2", () -> MobileNetV2.imageNet(100));

  @AutoClose private final PointerScope scope = new PointerScope();
  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({
    "resnet18, 11227812, 122",
    "resnet34, 21335972, 218",
    "resnet50, 23712932, 320",
    "mobilenet_v2, 2351972, 314"
  })
  void imageNet_100Classes_isTorchvisionsAndThatOfItsName(
      String name, long parameters, int entries) {
    try (Network created = Networks.create(name, 100, 3);
        Network made = FACTORIES.get(name).get()) {
      assertThat(made.parameterCount()).isEqualTo(parameters);
      assertThat(made.stateDict()).hasSize(entries);
      assertThat(created.stateDict().keySet()).containsExactlyElementsOf(made.stateDict().keySet());
      assertThat(made.taps())
          .isEqualTo(created.taps())
          .containsExactly(
              "stem",
              "layer1",
              "layer2",
              "layer3",
              "layer4",
              "layer1.pre",
              "layer2.pre",
              "layer3.pre",
              "layer4.pre",
              "embedding");
    }
  }

  @Test
  void stateDict_names_areTorchvisions() {
    try (Network resNet = ResNet.imageNet(50, 10);
        Network mobileNet = MobileNetV2.imageNet(10)) {
      assertThat(resNet.stateDict().keySet())
          .startsWith("conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean")
          .contains("layer1.0.conv3.weight", "layer1.0.downsample.0.weight")
          .contains("layer4.2.bn3.num_batches_tracked")
          .endsWith("fc.weight", "fc.bias");
      assertThat(mobileNet.stateDict().keySet())
          .startsWith("features.0.0.weight", "features.0.1.weight", "features.0.1.bias")
          .contains("features.1.conv.0.0.weight", "features.1.conv.1.weight")
          .contains("features.2.conv.3.running_var", "features.18.1.num_batches_tracked")
          .endsWith("classifier.1.weight", "classifier.1.bias");
    }
  }

  @Test
  void probe_imageOfImageNet_givesTheShapesOfTheTaps() {
    try (Network network = MobileNetV2.imageNet(7)) {
      network.probe(3, 224, 224);
      assertThat(network.classes()).isEqualTo(7);
      assertThat(network.tapShape("stem")).containsExactly(32, 112, 112);
      assertThat(network.tapShape("layer1")).containsExactly(24, 56, 56);
      assertThat(network.tapShape("layer2.pre")).containsExactly(32, 28, 28);
      assertThat(network.tapShape("layer3")).containsExactly(96, 14, 14);
      assertThat(network.tapShape("layer4.pre")).containsExactly(320, 7, 7);
      assertThat(network.tapShape("embedding")).containsExactly(1280);
    }
  }

  /** A file that torchvision's network was written to, with its logits for images. */
  @Test
  void loadStateDict_ofTorchvision_predictsTheSame() throws IOException {
    Path file =
        Path.of(
            System.getProperty("basedir", ""),
            "native",
            "tests",
            "networks",
            "imagenet_mobilenet_v2.pt");
    GenericDict expected =
        torch.pickle_load(new ByteVector(Files.readAllBytes(file))).toGenericDict();
    try (Network network = MobileNetV2.imageNet(0.0625, 3, 3, 0)) {
      network.convert(ScalarType.Double);
      network.loadStateDict(file);
      Tensor logits = expected.at(new IValue("logits")).toTensor();
      Tensor predicted = network.predict(expected.at(new IValue("images")).toTensor());
      double error = predicted.sub(logits).abs().max().item_double();
      assertThat(error / logits.abs().max().item_double()).isCloseTo(0, within(1e-9));
    }
  }

  @Test
  void loadStateDict_ofAnotherDepth_isRefused() {
    Path file = folder.resolve("resnet34.pt");
    try (Network resNet34 = ResNet.imageNet(34, 5);
        Network resNet18 = ResNet.imageNet(18, 5)) {
      resNet34.saveStateDict(file);
      assertFileRefused(
          () -> resNet18.loadStateDict(file),
          "Network.load_state_dict: "
              + file
              + " must have the network's entries only (got layer1.2.conv1.weight)");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"resnet18", "mobilenet_v2"})
  void publish_whileItTrains_predictsWithoutDropoutWhatWasPublished(String name) {
    Tensor images = torch.randn(2, 3, 64, 64);
    try (Network student = Networks.create(name, 5, 3);
        TrainingStep step =
            TrainingStep.builder(student).inputShape(3, 64, 64).optimizer(Sgd.of(0.1)).build()) {
      student.publish();
      var before = Bits.of(student.predict(images));
      step.run(
          StepInput.of(torch.randn(4, 3, 64, 64), Tensor.create(0L, 4L, 3L, 1L)), step.newResult());
      assertThat(Bits.of(student.predict(images))).isEqualTo(before);
      step.publish();
      var after = Bits.of(student.predict(images));
      assertThat(after).isNotEqualTo(before).isEqualTo(Bits.of(student.predict(images)));
    }
  }

  @Test
  void run_everyLoss_teachesAMobileNet() {
    String[] before = {"layer1.pre", "layer2.pre", "layer3.pre", "layer4.pre"};
    try (Network teacher = ResNet.imageNet(18, 5);
        Network student = MobileNetV2.imageNet(5);
        TrainingStep step =
            TrainingStep.builder(student, teacher)
                .inputShape(3, 64, 64)
                .optimizer(Sgd.of(0.01))
                .add(0.9, KdLoss.of(4))
                .add(0.8, CrdLoss.forSamples(8).withNegatives(3), Taps.of("embedding"))
                .add(1, FspLoss.consecutive().withAdaptChannels(true), Taps.of("layer1", "layer2"))
                .add(10, NstLoss.polynomial(), Taps.of("layer3", "layer4"))
                .add(
                    1e-3,
                    OfdLoss.ofTeacherMargins(
                        teacher, Stream.of(before).map(teacher::normBefore).toArray(String[]::new)),
                    Taps.of(before))
                .build()) {
      StepResult result = step.newResult();
      step.run(
          StepInput.of(torch.randn(4, 3, 64, 64), Tensor.create(0L, 4L, 3L, 1L))
              .withIndices(Tensor.create(0L, 1L, 2L, 3L)),
          result);
      for (int term = 0; term < 5; term++) {
        assertThat(result.term(term)).as("term %s", term).isFinite().isPositive();
      }
      assertThat(student.stateDict().values())
          .allSatisfy(value -> assertThat(value.isfinite().all().item_bool()).isTrue());
    }
  }

  @Test
  void imageNet_otherArguments_isRejected() {
    for (int depth : new int[] {0, 8, 20, 101}) {
      assertIllegal(
          () -> ResNet.imageNet(depth, 10),
          "ResNet.imageNet: depth must be 18, 34 or 50 (got " + depth + ")");
    }
    assertIllegal(
        () -> ResNet.imageNet(18, 0), "ResNet.imageNet: classes must be positive (got 0)");
    assertIllegal(
        () -> ResNet.imageNet(18, 10, -1),
        "ResNet.imageNet: input channels must be positive (got -1)");
    String mobileNet = "MobileNetV2.imageNet: ";
    assertIllegal(() -> MobileNetV2.imageNet(0), mobileNet + "classes must be positive (got 0)");
    assertIllegal(
        () -> MobileNetV2.imageNet(0.05, 5, 3, 0),
        mobileNet + "width must be between 0.0625 and 16 (got 0.05)");
    assertIllegal(
        () -> MobileNetV2.imageNet(1, 5, 0, 0),
        mobileNet + "input channels must be positive (got 0)");
    for (double dropout : new double[] {-0.1, 1, Double.NaN}) {
      assertIllegal(
          () -> MobileNetV2.imageNet(1, 5, 3, dropout),
          mobileNet + "dropout must be at least 0 and below 1 (got " + dropout + ")");
    }
  }

  @Test
  void predict_otherChannels_isRefused() {
    try (Network network = ResNet.imageNet(18, 10, 1)) {
      assertThat(network.predict(torch.zeros(1, 1, 33, 47)).sizes().vec().get())
          .containsExactly(1, 10);
      assertRefused(
          () -> network.predict(torch.zeros(2, 3, 32, 32)),
          "ResNet: images must be of shape [batch, 1, height, width] (got [2, 3, 32, 32])");
    }
  }
}
