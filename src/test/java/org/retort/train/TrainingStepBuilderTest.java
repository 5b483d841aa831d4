package org.retort.train;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;
import static org.retort.testing.Failures.assertUnusable;

import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.RetortException;
import org.retort.losses.CrdLoss;
import org.retort.losses.FspLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.losses.OfdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Program;

final class TrainingStepBuilderTest {
  private static final KdLoss KD = KdLoss.of(4);

  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final Network student = ResNet.cifar(8, 5);
  @AutoClose private final Network teacher = ResNet.cifar(8, 5);
  @TempDir private Path folder;

  private TrainingStepBuilder builder() {
    return TrainingStep.builder(student, teacher).inputShape(3, 8, 8);
  }

  @Test
  void builder_null_isRejected() {
    assertIllegal(
        () -> TrainingStep.builder(null), "TrainingStep.builder: student must be given (got null)");
    assertIllegal(
        () -> TrainingStep.builder(null, teacher),
        "TrainingStep.builder: student must be given (got null)");
    assertIllegal(
        () -> TrainingStep.builder(student, (Network) null),
        "TrainingStep.builder: teacher must be given (got null)");
  }

  @Test
  void inputShape_notPositive_isRejected() {
    String rule = "TrainingStepBuilder.inputShape: shape must have positive sizes (got %s)";
    assertIllegal(() -> builder().inputShape(), rule.formatted("[]"));
    assertIllegal(() -> builder().inputShape(3, 0, 8), rule.formatted("[3, 0, 8]"));
    assertIllegal(() -> builder().inputShape(-3, 8, 8), rule.formatted("[-3, 8, 8]"));
    assertIllegal(
        () -> builder().inputShape((long[]) null),
        "TrainingStepBuilder.inputShape: shape must be given (got null)");
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void weight_negativeOrNotFinite_isRejected(double weight) {
    String rule = ": weight must be at least 0 and finite (got " + weight + ")";
    assertIllegal(() -> builder().crossEntropy(weight), "CrossEntropy" + rule);
    assertIllegal(() -> builder().add(weight, KD), "Term" + rule);
  }

  @Test
  void add_null_isRejected() {
    assertIllegal(() -> builder().add(1, null), "Term: loss must be given (got null)");
    assertIllegal(() -> builder().add(1, KD, null), "Term: taps must be given (got null)");
  }

  @Test
  void optimizer_null_isRejected() {
    assertIllegal(() -> builder().optimizer(null), "Stage: optimizer must be given (got null)");
  }

  @Test
  void build_noInputShape_isRejected() {
    assertIllegal(
        () -> TrainingStep.builder(student).build(),
        "TrainingStepBuilder.build: input shape must be given (got none)");
  }

  @Test
  void build_closedNetwork_isRejected() {
    Network closed = ResNet.cifar(8, 5);
    closed.close();
    for (TrainingStepBuilder builder :
        new TrainingStepBuilder[] {
          TrainingStep.builder(closed, teacher), TrainingStep.builder(student, closed)
        }) {
      assertUnusable(
          () -> builder.inputShape(3, 8, 8).build(),
          "ResNet: object must be open (got a closed one)");
    }
  }

  @Test
  void build_termsOnFeaturesWithoutTeacher_isRefused() {
    assertBuildRefused(
        TrainingStep.builder(student)
            .inputShape(3, 8, 8)
            .add(1, NstLoss.linear(), Taps.of("layer1")),
        "TrainingStep: teacher must be given with terms on features (got null)");
  }

  @Test
  void build_noLoss_isRefused() {
    assertBuildRefused(
        builder().crossEntropy(0), "TrainingStep: loss must have at least one part (got none)");
  }

  @Test
  void build_studentIsTeacher_isRefused() {
    assertBuildRefused(
        TrainingStep.builder(student, student).inputShape(3, 8, 8),
        "TrainingStep: teacher must be another network than the student (got the same)");
  }

  @Test
  void build_unknownTap_isRefused() {
    String rule =
        "TrainingStep: teacher's tap must be one of stem, layer1, layer2, layer3, layer1.pre,"
            + " layer2.pre, layer3.pre, embedding (got layer4, did you mean layer1?)";
    assertBuildRefused(builder().add(1, KD, Taps.of("layer4")), rule);
    Taps taps = new Taps(List.of("layer4"), List.of("layer1"));
    assertBuildRefused(builder().add(1, KD, taps), rule.replace("teacher's", "student's"));
  }

  @Test
  void build_tapsOfALossOnLogits_isRefused() {
    assertBuildRefused(
        builder().add(1, KD, Taps.of("layer1")), "kd_loss: taps must be empty (got 2 taps)");
  }

  @Test
  void build_tapsThatDoNotFitTheirLoss_isRefused() {
    assertBuildRefused(
        builder().add(1, FspLoss.consecutive(), Taps.of("stem")),
        "fsp_loss: taps must be at least 2 (got 1)");
    assertBuildRefused(
        builder()
            .add(
                1,
                FspLoss.consecutive(),
                new Taps(List.of("layer1", "layer2"), List.of("layer1", "layer3"))),
        "fsp_loss: student[1] and teacher[1] must have the same number of channels (got 32 and 64)");
    assertBuildRefused(
        builder().add(1, NstLoss.linear()), "nst_loss: taps must be at least 1 (got 0)");
    assertBuildRefused(
        builder().add(1, NstLoss.linear(), Taps.of("embedding")),
        "nst_loss: tap student[0] must be a map [channels, height, width] (got [64])");
    assertBuildRefused(
        builder().add(1, CrdLoss.forSamples(9), Taps.of("layer1", "embedding")),
        "crd_loss: taps must be one of each network (got 2 and 2)");
    assertBuildRefused(
        builder().add(1, OfdLoss.ofBatchMargins(), Taps.of("embedding")),
        "ofd_loss: tap student[0] must be a map [channels, height, width] (got [64])");
    assertBuildRefused(
        builder().add(1, FspLoss.ofPairs(new FspLoss.Pair(0, 2)), Taps.of("layer1", "layer2")),
        "fsp_loss: pairs must be between 0 and 1 (got 2)");
  }

  @Test
  void build_marginsThatDoNotFit_isRefused() {
    OfdLoss loss = OfdLoss.ofMargins(List.of(torch.zeros(16)));
    assertBuildRefused(
        builder().add(1, loss, Taps.of("stem", "layer1.pre")),
        "ofd_loss: margins must be one per tap (got 1 for 2 taps)");
    assertBuildRefused(
        builder().add(1, loss, Taps.of("layer2.pre")),
        "ofd_loss: margins[0] must be of shape [32] (got [16])");
  }

  @Test
  void build_imagesTheNetworkDoesNotTake_isRefused() {
    assertBuildRefused(
        builder().inputShape(1, 8, 8),
        "ResNet: images must be of shape [batch, 3, height, width] (got [2, 1, 8, 8])");
    assertBuildRefused(
        builder().inputShape(3, 8),
        "ResNet: images must be of shape [batch, 3, height, width] (got [2, 3, 8])");
  }

  @Test
  void build_imagesLargerThanMemory_isRefused() {
    assertThatThrownBy(() -> builder().inputShape(3, 1L << 40, 1L << 40).build())
        .isExactlyInstanceOf(RetortException.class)
        .message()
        .isNotBlank()
        .hasLineCount(1);
  }

  @Test
  void build_nothingToTrain_isRefused() {
    Path file = Program.empty().save(folder.resolve("fixed.ts"), "return x.flatten(1), [x]");
    try (Network fixed = TorchScriptNetwork.load(file)) {
      assertBuildRefused(
          TrainingStep.builder(fixed).inputShape(3, 2, 2),
          "TrainingStep: student must have a parameter that requires a gradient (got none)");
    }
  }

  @Test
  void build_differentNumbersOfClasses_isRefused() {
    try (Network wide = ResNet.cifar(8, 6)) {
      assertBuildRefused(
          TrainingStep.builder(student, wide).inputShape(3, 8, 8).add(1, KD),
          "kd_loss: student and teacher must have the same number of classes (got 5 and 6)");
    }
  }

  private static void assertBuildRefused(TrainingStepBuilder builder, String message) {
    assertRefused(builder::build, message);
  }
}
