package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.retort.testing.Failures.assertChecked;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.Retort;
import org.retort.bindings.NativeKdOptions;
import org.retort.bindings.global.retort.NativeKdTarget;
import org.retort.losses.KdLoss.Target;
import org.retort.testing.Bits;
import org.retort.testing.GoldenCases;
import org.retort.testing.Gradients;
import org.retort.testing.Precision;

final class KdLossTest {
  private static final KdLoss LOSS = KdLoss.of(4);
  private static final KdLoss PROBABILITIES = LOSS.withTarget(Target.PROBABILITIES);

  @AutoClose private final PointerScope scope = new PointerScope();

  static List<Arguments> cases() throws IOException {
    return GoldenCases.inEachPrecision("kd_");
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void compute_golden_hasItsLossAndGradient(String name, Precision precision) throws IOException {
    Map<String, Tensor> golden = GoldenCases.read(name);
    Tensor student = precision.trainable(golden.get("s"));
    Tensor teacher = precision.of(golden.get("t"));

    Tensor loss = KdLoss.of(golden.get("temperature").item_double()).compute(student, teacher);
    loss.backward();

    assertThat(loss.scalar_type().intern()).isEqualTo(precision.dtype());
    precision.assertClose("loss", loss, golden.get("loss"));
    precision.assertClose("gradient", student.grad(), golden.get("grad"));
    assertThat(teacher.grad().defined()).isFalse();
  }

  static List<Arguments> standardisedCases() throws IOException {
    return GoldenCases.inEachPrecision("standardised_kd");
  }

  @ParameterizedTest(name = "{0} {1}", allowZeroInvocations = true)
  @MethodSource("standardisedCases")
  void compute_goldenOfStandardisedLogits_hasItsLossAndGradient(String name, Precision precision)
      throws IOException {
    Map<String, Tensor> golden = GoldenCases.read(name);
    Tensor student = precision.trainable(golden.get("s"));

    Tensor loss =
        KdLoss.of(golden.get("temperature").item_double())
            .withTarget(Target.STANDARDISED_LOGITS)
            .compute(student, precision.of(golden.get("t")));
    loss.backward();

    precision.assertClose("loss", loss, golden.get("loss"));
    precision.assertClose("gradient", student.grad(), golden.get("grad"));
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void compute_halfPrecision_isThatOfItsFloats(ScalarType dtype) {
    Tensor student = logits(1).to(dtype);
    Tensor teacher = logits(2).to(dtype);

    Tensor loss = LOSS.compute(student, teacher);

    assertThat(loss.scalar_type().intern()).isEqualTo(ScalarType.Float);
    Tensor expected = LOSS.compute(student.to(ScalarType.Float), teacher.to(ScalarType.Float));
    assertThat(Bits.of(loss)).isEqualTo(Bits.of(expected));
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void backward_halfPrecision_givesHalfPrecision(ScalarType dtype) {
    Tensor student = logits(1).to(dtype).requires_grad_(true);

    LOSS.compute(student, logits(2).to(dtype)).backward();

    Gradients.assertGiven(student, dtype);
  }

  @Test
  void backward_teacherRequiresGradient_givesIt() {
    Tensor teacher = logits(2).requires_grad_(true);

    LOSS.compute(logits(1), teacher).backward();

    Gradients.assertGiven(teacher, ScalarType.Float);
  }

  @Test
  void backward_graphKept_givesTheSameAgain() {
    Tensor student = logits(1).requires_grad_(true);
    Gradients.assertRepeatable(LOSS.compute(student, logits(2)), student);
  }

  @Test
  void backward_ofTheGradient_isRefusedInOneLine() {
    Tensor student = logits(1).requires_grad_(true);
    Gradients.assertOnce(LOSS.compute(student, logits(2)), student, "kd_loss");
  }

  @Test
  void compute_probabilities_isThatOfTheirLogits() {
    Tensor student = logits(1).requires_grad_(true);
    Tensor teacher = logits(2);
    Tensor expected = LOSS.compute(student, teacher);
    expected.backward();
    Tensor gradient = student.grad().clone();
    student.grad().zero_();

    Tensor softened = teacher.div(new Scalar(4)).softmax(1);
    Tensor loss = PROBABILITIES.compute(student, softened);
    loss.backward();

    Precision.FLOAT32.assertClose("loss", loss, expected);
    Precision.FLOAT32.assertClose("gradient", student.grad(), gradient);
    assertThat(LOSS.compute(student, softened).item_double()).isNotEqualTo(loss.item_double());
  }

  @Test
  void compute_certainProbabilities_isCrossEntropyTimesTheSquareOfTheTemperature() {
    Tensor student = logits(1);
    Tensor labels = Tensor.create(0L, 5L, 2L, 2L);
    Tensor oneHot = torch.one_hot(labels, 6).to(ScalarType.Float);

    Tensor loss = PROBABILITIES.compute(student, oneHot);

    Tensor expected = torch.cross_entropy_loss(student.div(new Scalar(4)), labels);
    Precision.FLOAT32.assertClose("loss", loss, expected.mul(new Scalar(16)));
  }

  @ParameterizedTest
  @EnumSource(names = {"Float", "Double", "Half", "Long", "Bool"})
  void compute_mask_leavesSamplesOut(ScalarType dtype) {
    Tensor student = logits(1).requires_grad_(true);
    Tensor teacher = logits(2);
    Tensor kept = Tensor.create(0L, 3L);
    Tensor expected = LOSS.compute(student.index_select(0, kept), teacher.index_select(0, kept));

    Tensor loss = LOSS.compute(student, teacher, Tensor.create(1f, 0f, 0f, 1f).to(dtype));
    loss.backward();

    Precision.FLOAT32.assertClose("loss", loss, expected);
    assertThat(student.grad().select(0, 1).abs().max().item_double()).isZero();
    assertThat(student.grad().select(0, 3).abs().max().item_double()).isPositive();
  }

  @Test
  void compute_weights_isTheWeightedMeanOfTheSamples() {
    Tensor student = logits(1);
    Tensor teacher = logits(2);
    double[] weights = {0.5, 2, 0, 1.5};
    double expected = 0;
    for (int i = 0; i < weights.length; i++) {
      Tensor loss = LOSS.compute(sample(student, i), sample(teacher, i));
      expected += weights[i] / 4 * loss.item_double();
    }

    Tensor weight = Tensor.create(weights).requires_grad_(true);
    Tensor loss = LOSS.compute(student, teacher, weight);

    assertThat(loss.item_double()).isCloseTo(expected, withinPercentage(0.01));
    assertThat(loss.requires_grad()).isFalse();
    Tensor alike = LOSS.compute(student, teacher, torch.full(new long[] {4}, new Scalar(3)));
    Precision.FLOAT32.assertClose("alike", alike, LOSS.compute(student, teacher));
    assertThat(LOSS.compute(student, teacher, torch.zeros(4)).item_double()).isZero();
  }

  @Test
  void compute_weightsThatDoNotFit_isRefused() {
    assertWeightRefused(torch.ones(3), "must be of shape [4] (got [3])");
    assertWeightRefused(torch.ones(4, 1), "must be of shape [4] (got [4, 1])");
    assertWeightRefused(
        Tensor.create(1f, 1f, -0.5f, 1f), "must be at least 0 and finite (got -0.5)");
    assertWeightRefused(
        Tensor.create(1f, Float.NaN, 1f, 1f), "must be at least 0 and finite (got nan)");
    assertWeightRefused(torch.ones(4).to_sparse(), "must be dense (got Sparse)");
  }

  @Test
  void compute_eachTensor_isChecked() {
    Tensor logits = logits(1);
    assertChecked("KdLoss.compute: student", tensor -> LOSS.compute(tensor, logits));
    assertChecked("KdLoss.compute: teacher", tensor -> LOSS.compute(logits, tensor));
    Tensor weight = torch.ones(4);
    assertChecked("KdLoss.compute: student", tensor -> LOSS.compute(tensor, logits, weight));
    assertChecked("KdLoss.compute: teacher", tensor -> LOSS.compute(logits, tensor, weight));
    assertChecked("KdLoss.compute: weight", tensor -> LOSS.compute(logits, logits, tensor));
  }

  @Test
  void compute_wrongRank_isRejected() {
    assertComputeRefused(
        torch.zeros(6), logits(2), "student must be of shape [batch, classes] (got [6])");
    assertComputeRefused(
        torch.zeros(2, 3, 1),
        torch.zeros(2, 3, 1),
        "student must be of shape [batch, classes] (got [2, 3, 1])");
  }

  @Test
  void compute_empty_isRejected() {
    assertComputeRefused(
        torch.zeros(0, 3), torch.zeros(0, 3), "student must not be empty (got [0, 3])");
  }

  @Test
  void compute_differentShapes_isRejected() {
    assertComputeRefused(
        torch.zeros(2, 3),
        torch.zeros(2, 4),
        "student and teacher must have the same shape (got [2, 3] and [2, 4])");
  }

  @Test
  void compute_differentDtypes_isRejected() {
    assertComputeRefused(
        torch.zeros(2, 3),
        torch.zeros(2, 3).to(ScalarType.Double),
        "student and teacher must have the same dtype (got Float and Double)");
  }

  @Test
  void compute_sparse_isRejected() {
    assertComputeRefused(
        torch.zeros(2, 3).to_sparse(), torch.zeros(2, 3), "student must be dense (got Sparse)");
  }

  @Test
  void compute_integers_isRejected() {
    Tensor integers = torch.zeros(2, 3).to(ScalarType.Int);
    assertComputeRefused(integers, integers, "student must be floating point (got Int)");
    assertComputeRefused(torch.zeros(2, 3), integers, "teacher must be floating point (got Int)");
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -4, Double.NaN, Double.POSITIVE_INFINITY})
  void temperature_notPositiveAndFinite_isRejected(double temperature) {
    String rule = ": temperature must be positive and finite (got " + temperature + ")";
    assertIllegal(() -> KdLoss.of(temperature), "KdLoss" + rule);
  }

  @Test
  void target_null_isRejected() {
    assertIllegal(() -> LOSS.withTarget(null), "KdLoss: target must be given (got null)");
  }

  @Test
  void options_set_areKeptAndPassedOn() {
    KdLoss loss = KdLoss.of(2.5);
    KdLoss changed = loss.withTarget(Target.PROBABILITIES);

    assertThat(loss.target()).isEqualTo(Target.LOGITS);
    assertThat(changed.target()).isEqualTo(Target.PROBABILITIES);
    assertThat(changed.temperature()).isEqualTo(2.5);
    assertPassedOn(loss, NativeKdTarget.kLogits);
    assertPassedOn(changed, NativeKdTarget.kProbabilities);
    assertPassedOn(loss.withTarget(Target.STANDARDISED_LOGITS), NativeKdTarget.kStandardisedLogits);
  }

  private static void assertPassedOn(KdLoss loss, NativeKdTarget target) {
    try (NativeKdOptions options = loss.nativeOptions()) {
      assertThat(options.temperature()).isEqualTo(loss.temperature());
      assertThat(options.target().intern()).isEqualTo(target);
    }
  }

  @Test
  void defaults_always_areTheNativeOnes() {
    try (NativeKdOptions defaults = new NativeKdOptions()) {
      assertPassedOn(LOSS, defaults.target().intern());
    }
  }

  private static Tensor sample(Tensor logits, long i) {
    return logits.narrow(0, i, 1);
  }

  private static void assertWeightRefused(Tensor weight, String rule) {
    assertRefused(() -> LOSS.compute(logits(1), logits(2), weight), "kd_loss: weight " + rule);
  }

  private static Tensor logits(long seed) {
    Retort.manualSeed(seed);
    return torch.randn(4, 6);
  }

  private static void assertComputeRefused(Tensor student, Tensor teacher, String rule) {
    assertRefused(() -> LOSS.compute(student, teacher), "kd_loss: " + rule);
  }
}
