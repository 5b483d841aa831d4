package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertChecked;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.util.Arrays;
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
import org.retort.bindings.NativeNstOptions;
import org.retort.bindings.global.retort.NativeNstKernel;
import org.retort.losses.NstLoss.Kernel;
import org.retort.testing.Bits;
import org.retort.testing.GoldenCases;
import org.retort.testing.GoldenMaps;
import org.retort.testing.Gradients;
import org.retort.testing.Precision;

final class NstLossTest {
  private static final Map<String, Kernel> KERNELS =
      Map.of("linear", Kernel.LINEAR, "poly", Kernel.POLYNOMIAL, "gaussian", Kernel.GAUSSIAN);
  private static final Map<Kernel, NstLoss> LOSSES =
      Map.of(
          Kernel.LINEAR, NstLoss.linear(),
          Kernel.POLYNOMIAL, NstLoss.polynomial(),
          Kernel.GAUSSIAN, NstLoss.gaussian());

  @AutoClose private final PointerScope scope = new PointerScope();

  static List<Arguments> cases() throws IOException {
    return GoldenCases.inEachPrecision("nst_");
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void compute_golden_hasItsLossesAndGradients(String name, Precision precision)
      throws IOException {
    Kernel kernel = KERNELS.get(name.split("_")[1]);
    assertThat(kernel).as(name).isNotNull();
    // The golden gradients are exact, which at a dead channel means huge.
    GoldenMaps.check(
        GoldenCases.read(name),
        precision,
        (student, teacher) -> NstLoss.compute(student, teacher, kernel, 0));
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void compute_halfPrecision_isThatOfItsFloats(ScalarType dtype) {
    List<Tensor> student = converted(maps(1), dtype);
    List<Tensor> teacher = converted(maps(2), dtype);

    List<Tensor> losses = NstLoss.compute(student, teacher, Kernel.GAUSSIAN);

    List<Tensor> expected =
        NstLoss.compute(
            converted(student, ScalarType.Float),
            converted(teacher, ScalarType.Float),
            Kernel.GAUSSIAN);
    assertThat(losses).allMatch(loss -> loss.scalar_type().intern() == ScalarType.Float);
    assertThat(losses).map(Bits::of).isEqualTo(expected.stream().map(Bits::of).toList());
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void backward_halfPrecision_givesHalfPrecision(ScalarType dtype) {
    Tensor student = converted(maps(1), dtype).get(0).requires_grad_(true);
    Tensor teacher = converted(maps(2), dtype).get(0);

    NstLoss.compute(List.of(student), List.of(teacher), Kernel.POLYNOMIAL).get(0).backward();

    Gradients.assertGiven(student, dtype);
  }

  @ParameterizedTest
  @EnumSource
  void backward_teacherRequiresGradient_givesIt(Kernel kernel) {
    List<Tensor> teacher = maps(2);
    teacher.get(1).requires_grad_(true);

    NstLoss.compute(maps(1), teacher, kernel).get(1).backward();

    Gradients.assertGiven(teacher.get(1), ScalarType.Float);
  }

  @ParameterizedTest
  @EnumSource
  void backward_graphKept_givesTheSameAgain(Kernel kernel) {
    Tensor student = maps(1).get(0).requires_grad_(true);
    List<Tensor> losses = NstLoss.compute(List.of(student), List.of(maps(2).get(0)), kernel);
    Gradients.assertRepeatable(losses.get(0), student);
  }

  @Test
  void backward_ofTheGradient_isRefusedInOneLine() {
    Tensor student = maps(1).get(0).requires_grad_(true);
    List<Tensor> losses = NstLoss.compute(List.of(student), List.of(maps(2).get(0)), Kernel.LINEAR);
    Gradients.assertOnce(losses.get(0), student, "nst_loss");
  }

  @ParameterizedTest
  @EnumSource
  void backward_deadChannel_getsNoGradientUnlessAskedFor(Kernel kernel) {
    assertThat(gradientOfDeadChannel(kernel, NstLoss.linear().deadChannelNorm())).isZero();
    assertThat(gradientOfDeadChannel(kernel, 0)).isPositive();

    Tensor student = withDeadChannel();
    NstLoss.compute(List.of(student), List.of(maps(2).get(0)), kernel).get(0).backward();
    assertThat(student.grad().select(1, 0).abs().max().item_double()).isZero();
    Gradients.assertGiven(student, ScalarType.Float);
  }

  private static double gradientOfDeadChannel(Kernel kernel, double norm) {
    Tensor student = withDeadChannel();
    NstLoss.compute(List.of(student), List.of(maps(2).get(0)), kernel, norm).get(0).backward();
    return student.grad().select(1, 0).abs().max().item_double();
  }

  private static Tensor withDeadChannel() {
    Tensor map = maps(1).get(0);
    map.select(1, 0).mul_(new Scalar(1e-9));
    return map.requires_grad_(true);
  }

  @Test
  void compute_eachTensor_isChecked() {
    List<Tensor> maps = maps(1);
    Tensor map = maps.get(0);
    assertChecked(
        "NstLoss.compute: student[1]",
        tensor -> NstLoss.compute(Arrays.asList(map, tensor), maps, Kernel.LINEAR));
    assertChecked(
        "NstLoss.compute: teacher[0]",
        tensor -> NstLoss.compute(maps, Arrays.asList(tensor, map), Kernel.LINEAR));
  }

  @Test
  void compute_null_isRejected() {
    List<Tensor> maps = maps(1);
    assertIllegal(
        () -> NstLoss.compute(null, maps, Kernel.LINEAR),
        "NstLoss.compute: student must be given (got null)");
    assertIllegal(
        () -> NstLoss.compute(maps, null, Kernel.LINEAR),
        "NstLoss.compute: teacher must be given (got null)");
    assertIllegal(
        () -> NstLoss.compute(maps, maps, null),
        "NstLoss.compute: kernel must be given (got null)");
  }

  @Test
  void compute_mapsThatDoNotFit_isRefused() {
    List<Tensor> maps = List.of(torch.zeros(2, 3, 4, 4));
    assertComputeRefused(List.of(), List.of(), "student must have at least 1 map (got 0)");
    assertComputeRefused(
        maps, List.of(), "student and teacher must have as many maps (got 1 and 0)");
    assertComputeRefused(
        List.of(torch.zeros(3, 4, 4)),
        maps,
        "student[0] must be of shape [batch, channels, height, width] (got [3, 4, 4])");
    assertComputeRefused(
        maps, List.of(torch.zeros(2, 3, 0, 4)), "teacher[0] must not be empty (got [2, 3, 0, 4])");
    assertComputeRefused(
        maps,
        List.of(torch.zeros(1, 3, 4, 4)),
        "student[0] and teacher[0] must have the same batch (got 2 and 1)");
    assertComputeRefused(
        maps,
        converted(maps, ScalarType.Double),
        "student[0] and teacher[0] must have the same dtype (got Float and Double)");
    assertComputeRefused(
        converted(maps, ScalarType.Long), maps, "student[0] must be floating point (got Long)");
    assertComputeRefused(
        maps, List.of(maps.get(0).to_sparse()), "teacher[0] must be dense (got Sparse)");
  }

  @ParameterizedTest
  @ValueSource(doubles = {-1e-9, Double.NaN, Double.POSITIVE_INFINITY})
  void deadChannelNorm_negativeOrNotFinite_isRejected(double norm) {
    String rule = ": dead channel norm must be at least 0 and finite (got " + norm + ")";
    assertIllegal(() -> NstLoss.linear().deadChannelNorm(norm), "NstLoss.deadChannelNorm" + rule);
    List<Tensor> maps = maps(1);
    assertIllegal(() -> NstLoss.compute(maps, maps, Kernel.LINEAR, norm), "NstLoss.compute" + rule);
  }

  @ParameterizedTest
  @EnumSource
  void options_set_areKeptAndPassedOn(Kernel kernel) {
    NstLoss loss = LOSSES.get(kernel);
    NstLoss changed = loss.deadChannelNorm(0.5);

    assertThat(loss.kernel()).isEqualTo(kernel);
    assertThat(changed.kernel()).isEqualTo(kernel);
    assertThat(changed.deadChannelNorm()).isEqualTo(0.5);
    assertThat(loss.deadChannelNorm()).isEqualTo(1e-6);
    try (NativeNstOptions options = (NativeNstOptions) changed.nativeOptions()) {
      assertThat(options.kernel().intern().name().substring(1))
          .isEqualToIgnoringCase(kernel.name());
      assertThat(options.dead_channel_norm()).isEqualTo(0.5);
    }
  }

  @Test
  void defaults_always_areTheNativeOnes() {
    try (NativeNstOptions defaults = new NativeNstOptions()) {
      assertThat(NstLoss.polynomial().deadChannelNorm()).isEqualTo(defaults.dead_channel_norm());
      assertThat(defaults.kernel().intern()).isEqualTo(NativeNstKernel.kPolynomial);
    }
  }

  private static List<Tensor> maps(long seed) {
    Retort.manualSeed(seed);
    return List.of(torch.randn(2, 3, 4, 4), torch.randn(2, 5, 2, 3));
  }

  private static List<Tensor> converted(List<Tensor> maps, ScalarType dtype) {
    return maps.stream().map(map -> map.to(dtype)).toList();
  }

  private static void assertComputeRefused(
      List<Tensor> student, List<Tensor> teacher, String rule) {
    assertRefused(() -> NstLoss.compute(student, teacher, Kernel.POLYNOMIAL), "nst_loss: " + rule);
  }
}
