package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertChecked;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
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
import org.retort.testing.Bits;
import org.retort.testing.GoldenCases;
import org.retort.testing.Gradients;
import org.retort.testing.Precision;

final class KdLossTest {
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

    Tensor loss = KdLoss.compute(student, teacher, golden.get("temperature").item_double());
    loss.backward();

    assertThat(loss.scalar_type().intern()).isEqualTo(precision.dtype());
    precision.assertClose("loss", loss, golden.get("loss"));
    precision.assertClose("gradient", student.grad(), golden.get("grad"));
    assertThat(teacher.grad().defined()).isFalse();
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void compute_halfPrecision_isThatOfItsFloats(ScalarType dtype) {
    Tensor student = logits(1).to(dtype);
    Tensor teacher = logits(2).to(dtype);

    Tensor loss = KdLoss.compute(student, teacher, 4);

    assertThat(loss.scalar_type().intern()).isEqualTo(ScalarType.Float);
    Tensor expected = KdLoss.compute(student.to(ScalarType.Float), teacher.to(ScalarType.Float), 4);
    assertThat(Bits.of(loss)).isEqualTo(Bits.of(expected));
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void backward_halfPrecision_givesHalfPrecision(ScalarType dtype) {
    Tensor student = logits(1).to(dtype).requires_grad_(true);

    KdLoss.compute(student, logits(2).to(dtype), 4).backward();

    Gradients.assertGiven(student, dtype);
  }

  @Test
  void backward_teacherRequiresGradient_givesIt() {
    Tensor teacher = logits(2).requires_grad_(true);

    KdLoss.compute(logits(1), teacher, 4).backward();

    Gradients.assertGiven(teacher, ScalarType.Float);
  }

  @Test
  void backward_graphKept_givesTheSameAgain() {
    Tensor student = logits(1).requires_grad_(true);
    Gradients.assertRepeatable(KdLoss.compute(student, logits(2), 4), student);
  }

  @Test
  void backward_ofTheGradient_isRefusedInOneLine() {
    Tensor student = logits(1).requires_grad_(true);
    Gradients.assertOnce(KdLoss.compute(student, logits(2), 4), student, "kd_loss");
  }

  @Test
  void compute_eachTensor_isChecked() {
    Tensor logits = logits(1);
    assertChecked("KdLoss.compute: student", tensor -> KdLoss.compute(tensor, logits, 4));
    assertChecked("KdLoss.compute: teacher", tensor -> KdLoss.compute(logits, tensor, 4));
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
    assertIllegal(() -> KdLoss.withTemperature(temperature), "KdLoss.withTemperature" + rule);
    Tensor logits = logits(1);
    assertIllegal(() -> KdLoss.compute(logits, logits, temperature), "KdLoss.compute" + rule);
  }

  @Test
  void withTemperature_positive_isKept() {
    assertThat(KdLoss.withTemperature(2.5).temperature()).isEqualTo(2.5);
  }

  private static Tensor logits(long seed) {
    Retort.manualSeed(seed);
    return torch.randn(4, 6);
  }

  private static void assertComputeRefused(Tensor student, Tensor teacher, String rule) {
    assertRefused(() -> KdLoss.compute(student, teacher, 4), "kd_loss: " + rule);
  }
}
