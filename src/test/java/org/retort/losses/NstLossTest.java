package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertChecked;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
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
        (student, teacher) -> LOSSES.get(kernel).withDeadChannelNorm(0).compute(student, teacher));
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void compute_halfPrecision_isThatOfItsFloats(ScalarType dtype) {
    List<Tensor> student = converted(maps(1), dtype);
    List<Tensor> teacher = converted(maps(2), dtype);

    List<Tensor> losses = NstLoss.gaussian().compute(student, teacher);

    List<Tensor> expected =
        NstLoss.gaussian()
            .compute(converted(student, ScalarType.Float), converted(teacher, ScalarType.Float));
    assertThat(losses).allMatch(loss -> loss.scalar_type().intern() == ScalarType.Float);
    assertThat(losses).map(Bits::of).isEqualTo(expected.stream().map(Bits::of).toList());
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void backward_halfPrecision_givesHalfPrecision(ScalarType dtype) {
    Tensor student = converted(maps(1), dtype).get(0).requires_grad_(true);
    Tensor teacher = converted(maps(2), dtype).get(0);

    NstLoss.polynomial().compute(List.of(student), List.of(teacher)).get(0).backward();

    Gradients.assertGiven(student, dtype);
  }

  @ParameterizedTest
  @EnumSource
  void backward_teacherRequiresGradient_givesIt(Kernel kernel) {
    List<Tensor> teacher = maps(2);
    teacher.get(1).requires_grad_(true);

    LOSSES.get(kernel).compute(maps(1), teacher).get(1).backward();

    Gradients.assertGiven(teacher.get(1), ScalarType.Float);
  }

  @ParameterizedTest
  @EnumSource
  void backward_graphKept_givesTheSameAgain(Kernel kernel) {
    Tensor student = maps(1).get(0).requires_grad_(true);
    List<Tensor> losses = LOSSES.get(kernel).compute(List.of(student), List.of(maps(2).get(0)));
    Gradients.assertRepeatable(losses.get(0), student);
  }

  @Test
  void backward_ofTheGradient_isRefusedInOneLine() {
    Tensor student = maps(1).get(0).requires_grad_(true);
    List<Tensor> losses = NstLoss.linear().compute(List.of(student), List.of(maps(2).get(0)));
    Gradients.assertOnce(losses.get(0), student, "nst_loss");
  }

  @ParameterizedTest
  @EnumSource
  void backward_deadChannel_getsNoGradientUnlessAskedFor(Kernel kernel) {
    assertThat(gradientOfDeadChannel(LOSSES.get(kernel))).isZero();
    assertThat(gradientOfDeadChannel(LOSSES.get(kernel).withDeadChannelNorm(0))).isPositive();
  }

  private static double gradientOfDeadChannel(NstLoss loss) {
    Tensor student = withDeadChannel();
    loss.compute(List.of(student), List.of(maps(2).get(0))).get(0).backward();
    Gradients.assertGiven(student, ScalarType.Float);
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
        tensor -> NstLoss.linear().compute(Arrays.asList(map, tensor), maps));
    assertChecked(
        "NstLoss.compute: teacher[0]",
        tensor -> NstLoss.linear().compute(maps, Arrays.asList(tensor, map)));
  }

  @Test
  void compute_null_isRejected() {
    List<Tensor> maps = maps(1);
    assertIllegal(
        () -> NstLoss.linear().compute(null, maps),
        "NstLoss.compute: student must be given (got null)");
    assertIllegal(
        () -> NstLoss.linear().compute(maps, null),
        "NstLoss.compute: teacher must be given (got null)");
  }

  @Test
  void compute_mapsThatDoNotFit_isRefused() {
    List<Tensor> maps = List.of(torch.zeros(2, 3, 4, 4));
    assertComputeRefused(List.of(), List.of(), "student must have at least 1 map (got 0)");
    assertComputeRefused(
        maps, List.of(), "student and teacher must have the same number of maps (got 1 and 0)");
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
    assertIllegal(() -> NstLoss.linear().withDeadChannelNorm(norm), "NstLoss" + rule);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 17, -2})
  void degree_outOfRange_isRejected(long degree) {
    assertIllegal(
        () -> NstLoss.polynomial().withDegree(degree),
        "NstLoss: degree must be between 1 and 16 (got " + degree + ")");
  }

  @ParameterizedTest
  @ValueSource(doubles = {-1e-9, Double.NaN, Double.POSITIVE_INFINITY})
  void offset_negativeOrNotFinite_isRejected(double offset) {
    assertIllegal(
        () -> NstLoss.polynomial().withOffset(offset),
        "NstLoss: offset must be at least 0 and finite (got " + offset + ")");
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void variance_notPositiveAndFinite_isRejected(double variance) {
    assertIllegal(
        () -> NstLoss.gaussian().withVariance(variance),
        "NstLoss: variance must be positive and finite (got " + variance + ")");
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 16})
  void degree_leastAndMost_areAccepted(long degree) {
    assertThat(NstLoss.polynomial().withDegree(degree).degree()).isEqualTo(degree);
  }

  @Test
  void options_ofAnotherKernel_areRejected() {
    assertIllegal(
        () -> NstLoss.linear().withDegree(3),
        "NstLoss: degree must be used with the kernel POLYNOMIAL (got LINEAR)");
    assertIllegal(
        () -> NstLoss.gaussian().withOffset(3),
        "NstLoss: offset must be used with the kernel POLYNOMIAL (got GAUSSIAN)");
    assertIllegal(
        () -> NstLoss.polynomial().withVariance(3),
        "NstLoss: variance must be used with the kernel GAUSSIAN (got POLYNOMIAL)");
  }

  @ParameterizedTest
  @EnumSource
  void compute_withoutTeacherTerm_leavesOutAConstant(Kernel kernel) {
    NstLoss loss = LOSSES.get(kernel);
    Tensor student = maps(1).get(0).requires_grad_(true);
    Tensor teacher = maps(2).get(0);
    Tensor whole = loss.compute(List.of(student), List.of(teacher)).get(0);
    whole.backward();
    Tensor gradient = student.grad().clone();
    student.grad().zero_();

    Tensor part = loss.withTeacherTerm(false).compute(List.of(student), List.of(teacher)).get(0);
    part.backward();

    assertThat(part.item_double()).isLessThan(whole.item_double());
    Precision.FLOAT32.assertClose("gradient", student.grad(), gradient);
  }

  static List<Arguments> kernels() {
    Function<Tensor, Tensor> cube = x -> x.add(new Scalar(0.5)).pow(new Scalar(3));
    Function<Tensor, Tensor> gaussian = x -> x.sub(new Scalar(1)).div(new Scalar(0.4)).exp();
    return List.of(
        Arguments.of(NstLoss.linear(), (Function<Tensor, Tensor>) x -> x),
        Arguments.of(NstLoss.polynomial(), (Function<Tensor, Tensor>) Tensor::square),
        Arguments.of(NstLoss.polynomial().withDegree(3).withOffset(0.5), cube),
        // |x − y|² = 2 − 2 xᵀy
        Arguments.of(NstLoss.gaussian().withVariance(0.4), gaussian));
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void compute_kernel_isTheMeanDiscrepancy(NstLoss loss, Function<Tensor, Tensor> kernel) {
    Tensor student = maps(1).get(0);
    Tensor teacher = maps(2).get(0);
    Tensor s = unitChannels(student);
    Tensor t = unitChannels(teacher);
    Tensor ofStudent = mean(kernel, s, s).sub(mean(kernel, s, t).mul(new Scalar(2)));

    List<Tensor> students = List.of(student);
    List<Tensor> teachers = List.of(teacher);

    Precision.FLOAT32.assertClose(
        "loss", loss.compute(students, teachers).get(0), ofStudent.add(mean(kernel, t, t)));
    Precision.FLOAT32.assertClose(
        "without", loss.withTeacherTerm(false).compute(students, teachers).get(0), ofStudent);
  }

  private static Tensor mean(Function<Tensor, Tensor> kernel, Tensor x, Tensor y) {
    return kernel.apply(torch.bmm(x.transpose(1, 2), y)).mean();
  }

  /** A map as [B, H W, C] with channels of length 1. */
  private static Tensor unitChannels(Tensor map) {
    return torch.normalize(map.flatten(2, -1).transpose(1, 2));
  }

  @ParameterizedTest
  @EnumSource
  void options_set_areKeptAndPassedOn(Kernel kernel) {
    NstLoss loss = LOSSES.get(kernel);
    NstLoss changed = loss.withDeadChannelNorm(0.5).withTeacherTerm(false);

    assertThat(loss.kernel()).isEqualTo(kernel);
    assertThat(changed.kernel()).isEqualTo(kernel);
    assertThat(changed.deadChannelNorm()).isEqualTo(0.5);
    assertThat(changed.teacherTerm()).isFalse();
    assertThat(loss.deadChannelNorm()).isEqualTo(1e-6);
    assertThat(loss.teacherTerm()).isTrue();
    assertPassedOn(loss);
    assertPassedOn(changed);
  }

  @Test
  void options_ofOneKernel_areKeptAndPassedOn() {
    NstLoss polynomial = NstLoss.polynomial().withDegree(5).withOffset(0.25);
    NstLoss gaussian = NstLoss.gaussian().withVariance(0.75);

    assertThat(polynomial.degree()).isEqualTo(5);
    assertThat(polynomial.offset()).isEqualTo(0.25);
    assertThat(polynomial.withTeacherTerm(false).degree()).isEqualTo(5);
    assertThat(gaussian.variance()).hasValue(0.75);
    assertThat(gaussian.withDeadChannelNorm(0).variance()).hasValue(0.75);
    assertThat(NstLoss.gaussian().variance()).isEmpty();
    assertPassedOn(polynomial);
    assertPassedOn(gaussian);
  }

  private static void assertPassedOn(NstLoss loss) {
    try (NativeNstOptions options = loss.nativeOptions()) {
      assertThat(options.kernel().intern().name().substring(1))
          .isEqualToIgnoringCase(loss.kernel().name());
      assertThat(options.degree()).isEqualTo(loss.degree());
      assertThat(options.offset()).isEqualTo(loss.offset());
      assertThat(options.variance().has_value()).isEqualTo(loss.variance().isPresent());
      loss.variance().ifPresent(x -> assertThat(options.variance().get()).isEqualTo(x));
      assertThat(options.teacher_term()).isEqualTo(loss.teacherTerm());
      assertThat(options.dead_channel_norm()).isEqualTo(loss.deadChannelNorm());
    }
  }

  @Test
  void defaults_always_areTheNativeOnes() {
    try (NativeNstOptions defaults = new NativeNstOptions()) {
      NstLoss loss = NstLoss.polynomial();
      assertThat(defaults.kernel().intern()).isEqualTo(NativeNstKernel.kPolynomial);
      assertThat(loss.degree()).isEqualTo(defaults.degree());
      assertThat(loss.offset()).isEqualTo(defaults.offset());
      assertThat(loss.variance().isPresent()).isEqualTo(defaults.variance().has_value());
      assertThat(loss.teacherTerm()).isEqualTo(defaults.teacher_term());
      assertThat(loss.deadChannelNorm()).isEqualTo(defaults.dead_channel_norm());
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
    assertRefused(() -> NstLoss.polynomial().compute(student, teacher), "nst_loss: " + rule);
  }
}
