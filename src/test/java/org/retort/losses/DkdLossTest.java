package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
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
import org.retort.bindings.NativeDkdOptions;
import org.retort.testing.GoldenCases;
import org.retort.testing.Gradients;
import org.retort.testing.Precision;

final class DkdLossTest {
  private static final DkdLoss LOSS = DkdLoss.of(4);

  @AutoClose private final PointerScope scope = new PointerScope();

  static List<Arguments> cases() throws IOException {
    return GoldenCases.inEachPrecision("dkd_");
  }

  @ParameterizedTest(name = "{0} {1}", allowZeroInvocations = true)
  @MethodSource("cases")
  void compute_golden_hasItsLossAndGradient(String name, Precision precision) throws IOException {
    Map<String, Tensor> golden = GoldenCases.read(name);
    Tensor student = precision.trainable(golden.get("s"));
    Tensor teacher = precision.of(golden.get("t"));
    DkdLoss loss =
        DkdLoss.of(golden.get("temperature").item_double())
            .withAlpha(golden.get("alpha").item_double())
            .withBeta(golden.get("beta").item_double())
            .withStandardise(golden.containsKey("standardise"));

    Tensor value = loss.compute(student, teacher, golden.get("labels"));
    value.backward();

    assertThat(value.scalar_type().intern()).isEqualTo(precision.dtype());
    precision.assertClose("loss", value, golden.get("loss"));
    precision.assertClose("gradient", student.grad(), golden.get("grad"));
    assertThat(teacher.grad().defined()).isFalse();
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void backward_halfPrecision_givesHalfPrecision(ScalarType dtype) {
    Tensor student = logits(1).to(dtype).requires_grad_(true);

    LOSS.compute(student, logits(2).to(dtype), labels()).backward();

    Gradients.assertGiven(student, dtype);
  }

  @Test
  void backward_teacherRequiresGradient_givesIt() {
    Tensor teacher = logits(2).requires_grad_(true);

    LOSS.compute(logits(1), teacher, labels()).backward();

    Gradients.assertGiven(teacher, ScalarType.Float);
  }

  @Test
  void backward_ofTheGradient_isRefusedInOneLine() {
    Tensor student = logits(1).requires_grad_(true);
    Gradients.assertOnce(LOSS.compute(student, logits(2), labels()), student, "dkd_loss");
  }

  @Test
  void compute_samplesWithoutLabelOrWeight_areLeftOut() {
    Tensor student = logits(1).requires_grad_(true);
    Tensor teacher = logits(2);
    Tensor kept = Tensor.create(0L, 3L);
    Tensor expected =
        LOSS.compute(
            student.index_select(0, kept),
            teacher.index_select(0, kept),
            labels().index_select(0, kept));

    Tensor labels = Tensor.create(0L, -1L, 2L, 4L);
    Tensor loss = LOSS.compute(student, teacher, labels, Tensor.create(1f, 7f, 0f, 1f));
    loss.backward();

    Precision.FLOAT32.assertClose("loss", loss, expected);
    assertThat(student.grad().select(0, 1).abs().max().item_double()).isZero();
    assertThat(student.grad().select(0, 3).abs().max().item_double()).isPositive();
  }

  @Test
  void compute_standardised_doesNotDependOnTheRangeOfLogits() {
    DkdLoss loss = LOSS.withStandardise(true);
    Tensor student = logits(1);
    Tensor stretched = student.mul(new Scalar(5));

    Tensor expected = loss.compute(student, logits(2), labels());

    Precision.FLOAT32.assertClose(
        "stretched", loss.compute(stretched, logits(2), labels()), expected);
    assertThat(LOSS.compute(student, logits(2), labels()).item_double())
        .isNotEqualTo(expected.item_double());
  }

  @Test
  void compute_eachTensor_isChecked() {
    Tensor logits = logits(1);
    Tensor weight = torch.ones(4);
    assertChecked(
        "DkdLoss.compute: student", tensor -> LOSS.compute(tensor, logits, labels(), weight));
    assertChecked(
        "DkdLoss.compute: teacher", tensor -> LOSS.compute(logits, tensor, labels(), weight));
    assertChecked(
        "DkdLoss.compute: labels", tensor -> LOSS.compute(logits, logits, tensor, weight));
    assertChecked(
        "DkdLoss.compute: weight", tensor -> LOSS.compute(logits, logits, labels(), tensor));
    assertChecked("DkdLoss.compute: labels", tensor -> LOSS.compute(logits, logits, tensor));
  }

  @Test
  void compute_whatDoesNotFit_isRefused() {
    assertRefused(
        () -> LOSS.compute(logits(1), logits(2), Tensor.create(0L, 1L)),
        "dkd_loss: labels must be of shape [4] (got [2])");
    assertRefused(
        () -> LOSS.compute(logits(1), logits(2), Tensor.create(0L, 1L, 6L, 2L)),
        "dkd_loss: labels must be between -1 and 5 (got 6 at 2)");
    assertRefused(
        () -> LOSS.compute(torch.zeros(2, 1), torch.zeros(2, 1), Tensor.create(0L, 0L)),
        "dkd_loss: student must have at least 2 classes (got 1)");
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -4, Double.NaN, Double.POSITIVE_INFINITY})
  void temperature_notPositiveAndFinite_isRejected(double temperature) {
    String rule = ": temperature must be positive and finite (got " + temperature + ")";
    assertIllegal(() -> DkdLoss.of(temperature), "DkdLoss" + rule);
  }

  @ParameterizedTest
  @ValueSource(doubles = {-1, Double.NaN, Double.POSITIVE_INFINITY})
  void weights_outOfRange_areRejected(double weight) {
    String rule = " must be at least 0 and finite (got " + weight + ")";
    assertIllegal(() -> LOSS.withAlpha(weight), "DkdLoss: alpha" + rule);
    assertIllegal(() -> LOSS.withBeta(weight), "DkdLoss: beta" + rule);
  }

  @Test
  void options_set_areKeptAndPassedOn() {
    DkdLoss loss = DkdLoss.of(2.5).withAlpha(0.5).withBeta(3).withStandardise(true);

    assertPassedOn(LOSS);
    assertPassedOn(loss);
    assertThat(loss.temperature()).isEqualTo(2.5);
    assertThat(loss.alpha()).isEqualTo(0.5);
    assertThat(loss.beta()).isEqualTo(3);
    assertThat(loss.standardise()).isTrue();
  }

  @Test
  void defaults_always_areTheNativeOnes() {
    try (NativeDkdOptions defaults = new NativeDkdOptions()) {
      assertThat(defaults.alpha()).isEqualTo(LOSS.alpha());
      assertThat(defaults.beta()).isEqualTo(LOSS.beta());
      assertThat(defaults.temperature()).isEqualTo(LOSS.temperature());
      assertThat(defaults.standardise()).isEqualTo(LOSS.standardise());
    }
  }

  private static void assertPassedOn(DkdLoss loss) {
    try (NativeDkdOptions options = loss.nativeOptions()) {
      assertThat(options.alpha()).isEqualTo(loss.alpha());
      assertThat(options.beta()).isEqualTo(loss.beta());
      assertThat(options.temperature()).isEqualTo(loss.temperature());
      assertThat(options.standardise()).isEqualTo(loss.standardise());
    }
  }

  private static Tensor labels() {
    return Tensor.create(0L, 5L, 2L, 4L);
  }

  private static Tensor logits(long seed) {
    Retort.manualSeed(seed);
    return torch.randn(4, 6);
  }
}
