package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertChecked;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
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
import org.retort.Retort;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.NativeFspOptions;
import org.retort.testing.Bits;
import org.retort.testing.GoldenCases;
import org.retort.testing.GoldenMaps;
import org.retort.testing.Gradients;
import org.retort.testing.Precision;

final class FspLossTest {
  @AutoClose private final PointerScope scope = new PointerScope();

  static List<Arguments> cases() throws IOException {
    return GoldenCases.inEachPrecision("fsp_");
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void compute_golden_hasItsLossesAndGradients(String name, Precision precision)
      throws IOException {
    GoldenMaps.check(GoldenCases.read(name), precision, FspLoss::compute);
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void compute_halfPrecision_isThatOfItsFloats(ScalarType dtype) {
    List<Tensor> student = converted(maps(1), dtype);
    List<Tensor> teacher = converted(maps(2), dtype);

    List<Tensor> losses = FspLoss.compute(student, teacher);

    List<Tensor> expected =
        FspLoss.compute(converted(student, ScalarType.Float), converted(teacher, ScalarType.Float));
    assertThat(losses).allMatch(loss -> loss.scalar_type().intern() == ScalarType.Float);
    assertThat(losses).map(Bits::of).isEqualTo(expected.stream().map(Bits::of).toList());
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void backward_halfPrecision_givesHalfPrecision(ScalarType dtype) {
    List<Tensor> student = converted(maps(1), dtype);
    student.forEach(map -> map.requires_grad_(true));

    sum(FspLoss.compute(student, converted(maps(2), dtype))).backward();

    assertThat(student).allSatisfy(map -> Gradients.assertGiven(map, dtype));
  }

  @Test
  void backward_teacherRequiresGradient_givesIt() {
    List<Tensor> teacher = maps(2);
    teacher.get(1).requires_grad_(true);

    sum(FspLoss.compute(maps(1), teacher)).backward();

    Gradients.assertGiven(teacher.get(1), ScalarType.Float);
    assertThat(teacher.get(0).grad().defined()).isFalse();
  }

  @Test
  void backward_graphKept_givesTheSameAgain() {
    List<Tensor> student = maps(1);
    student.get(0).requires_grad_(true);
    Gradients.assertRepeatable(FspLoss.compute(student, maps(2)).get(0), student.get(0));
  }

  @Test
  void backward_ofTheGradient_isRefusedInOneLine() {
    List<Tensor> student = maps(1);
    student.get(0).requires_grad_(true);
    Gradients.assertOnce(FspLoss.compute(student, maps(2)).get(0), student.get(0), "fsp_loss");
  }

  @Test
  void compute_eachTensor_isChecked() {
    List<Tensor> maps = maps(1);
    Tensor map = maps.get(0);
    assertChecked(
        "FspLoss.compute: student[0]",
        tensor -> FspLoss.compute(Arrays.asList(tensor, map, map), maps));
    assertChecked(
        "FspLoss.compute: student[2]",
        tensor -> FspLoss.compute(Arrays.asList(map, map, tensor), maps));
    assertChecked(
        "FspLoss.compute: teacher[1]",
        tensor -> FspLoss.compute(maps, Arrays.asList(map, tensor, map)));
  }

  @Test
  void compute_noList_isRejected() {
    assertIllegal(
        () -> FspLoss.compute(null, maps(1)), "FspLoss.compute: student must be given (got null)");
    assertIllegal(
        () -> FspLoss.compute(maps(1), null), "FspLoss.compute: teacher must be given (got null)");
  }

  @Test
  void compute_wrongNumbersOfMaps_isRefused() {
    List<Tensor> maps = maps(1);
    assertComputeRefused(
        maps, maps.subList(0, 2), "student and teacher must have as many maps (got 3 and 2)");
    assertComputeRefused(
        maps.subList(0, 1), maps.subList(0, 1), "student must have at least 2 maps (got 1)");
    assertComputeRefused(List.of(), List.of(), "student must have at least 2 maps (got 0)");
  }

  @Test
  void compute_wrongShapes_isRefused() {
    List<Tensor> maps = List.of(torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 4, 4));
    assertComputeRefused(
        List.of(torch.zeros(2, 3, 4), maps.get(1)),
        maps,
        "student[0] must be of shape [batch, channels, height, width] (got [2, 3, 4])");
    assertComputeRefused(
        maps,
        List.of(maps.get(0), torch.zeros(2, 0, 4, 4)),
        "teacher[1] must not be empty (got [2, 0, 4, 4])");
    assertComputeRefused(
        maps,
        List.of(maps.get(0), torch.zeros(1, 5, 4, 4)),
        "student[0] and teacher[1] must have the same batch (got 2 and 1)");
    assertComputeRefused(
        maps,
        List.of(maps.get(0), maps.get(0)),
        "student[1] and teacher[1] must have as many channels (got 5 and 3)");
  }

  @Test
  void compute_wrongTypes_isRefused() {
    List<Tensor> maps = maps(1);
    assertComputeRefused(
        converted(maps, ScalarType.Int), maps, "student[0] must be floating point (got Int)");
    assertComputeRefused(
        maps,
        converted(maps, ScalarType.Double),
        "student[0] and teacher[0] must have the same dtype (got Float and Double)");
    assertComputeRefused(
        maps.stream().map(Tensor::to_sparse).toList(),
        maps,
        "student[0] must be dense (got Sparse)");
  }

  @Test
  void nativeOptions_always_areThoseOfFsp() {
    try (NativeCriterionOptions options = FspLoss.consecutive().nativeOptions()) {
      assertThat(options).isInstanceOf(NativeFspOptions.class);
    }
  }

  private static List<Tensor> maps(long seed) {
    Retort.manualSeed(seed);
    return List.of(torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 5), torch.randn(2, 3, 2, 2));
  }

  private static List<Tensor> converted(List<Tensor> maps, ScalarType dtype) {
    return maps.stream().map(map -> map.to(dtype)).toList();
  }

  private static Tensor sum(List<Tensor> losses) {
    return losses.stream().reduce(Tensor::add).orElseThrow();
  }

  private static void assertComputeRefused(
      List<Tensor> student, List<Tensor> teacher, String rule) {
    assertRefused(() -> FspLoss.compute(student, teacher), "fsp_loss: " + rule);
  }
}
