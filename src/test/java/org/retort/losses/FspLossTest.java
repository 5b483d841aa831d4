package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertChecked;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.retort.Retort;
import org.retort.bindings.NativeFspOptions;
import org.retort.bindings.global.retort.NativeFspPooling;
import org.retort.bindings.global.retort.NativeFspReduction;
import org.retort.losses.FspLoss.Pair;
import org.retort.losses.FspLoss.Pooling;
import org.retort.losses.FspLoss.Reduction;
import org.retort.testing.Bits;
import org.retort.testing.GoldenCases;
import org.retort.testing.GoldenMaps;
import org.retort.testing.Gradients;
import org.retort.testing.Precision;

final class FspLossTest {
  private static final FspLoss LOSS = FspLoss.consecutive();

  @AutoClose private final PointerScope scope = new PointerScope();

  static List<Arguments> cases() throws IOException {
    return GoldenCases.inEachPrecision("fsp_");
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void compute_golden_hasItsLossesAndGradients(String name, Precision precision)
      throws IOException {
    GoldenMaps.check(GoldenCases.read(name), precision, LOSS::compute);
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void compute_halfPrecision_isThatOfItsFloats(ScalarType dtype) {
    List<Tensor> student = converted(maps(1), dtype);
    List<Tensor> teacher = converted(maps(2), dtype);

    List<Tensor> losses = LOSS.compute(student, teacher);

    List<Tensor> expected =
        LOSS.compute(converted(student, ScalarType.Float), converted(teacher, ScalarType.Float));
    assertThat(losses).allMatch(loss -> loss.scalar_type().intern() == ScalarType.Float);
    assertThat(losses).map(Bits::of).isEqualTo(expected.stream().map(Bits::of).toList());
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void backward_halfPrecision_givesHalfPrecision(ScalarType dtype) {
    List<Tensor> student = converted(maps(1), dtype);
    student.forEach(map -> map.requires_grad_(true));

    sum(LOSS.compute(student, converted(maps(2), dtype))).backward();

    assertThat(student).allSatisfy(map -> Gradients.assertGiven(map, dtype));
  }

  @Test
  void backward_teacherRequiresGradient_givesIt() {
    List<Tensor> teacher = maps(2);
    teacher.get(1).requires_grad_(true);

    sum(LOSS.compute(maps(1), teacher)).backward();

    Gradients.assertGiven(teacher.get(1), ScalarType.Float);
    assertThat(teacher.get(0).grad().defined()).isFalse();
  }

  @Test
  void backward_graphKept_givesTheSameAgain() {
    List<Tensor> student = maps(1);
    student.get(0).requires_grad_(true);
    Gradients.assertRepeatable(LOSS.compute(student, maps(2)).get(0), student.get(0));
  }

  @Test
  void backward_ofTheGradient_isRefusedInOneLine() {
    List<Tensor> student = maps(1);
    student.get(0).requires_grad_(true);
    Gradients.assertOnce(LOSS.compute(student, maps(2)).get(0), student.get(0), "fsp_loss");
  }

  @Test
  void compute_eachTensor_isChecked() {
    List<Tensor> maps = maps(1);
    Tensor map = maps.get(0);
    assertChecked(
        "FspLoss.compute: student[0]",
        tensor -> LOSS.compute(Arrays.asList(tensor, map, map), maps));
    assertChecked(
        "FspLoss.compute: student[2]",
        tensor -> LOSS.compute(Arrays.asList(map, map, tensor), maps));
    assertChecked(
        "FspLoss.compute: teacher[1]",
        tensor -> LOSS.compute(maps, Arrays.asList(map, tensor, map)));
  }

  @Test
  void compute_noList_isRejected() {
    assertIllegal(
        () -> LOSS.compute(null, maps(1)), "FspLoss.compute: student must be given (got null)");
    assertIllegal(
        () -> LOSS.compute(maps(1), null), "FspLoss.compute: teacher must be given (got null)");
  }

  @Test
  void compute_wrongNumbersOfMaps_isRefused() {
    List<Tensor> maps = maps(1);
    assertComputeRefused(
        maps,
        maps.subList(0, 2),
        "student and teacher must have the same number of maps (got 3 and 2)");
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
        "student[1] and teacher[1] must have the same number of channels (got 5 and 3)");
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
  void compute_pairNamesNoMap_isRefused() {
    List<Tensor> maps = maps(1);
    assertRefused(
        () -> FspLoss.ofPairs(new Pair(1, 3)).compute(maps, maps),
        "fsp_loss: pairs must be between 0 and 2 (got 3)");
  }

  @Test
  void compute_pairs_areThoseOfTheirMaps() {
    List<Tensor> student = maps(1);
    List<Tensor> teacher = maps(2);

    List<Tensor> losses =
        FspLoss.ofPairs(new Pair(0, 2), new Pair(2, 1), new Pair(0, 1)).compute(student, teacher);

    assertThat(losses).hasSize(3);
    assertThat(Bits.of(losses.get(0))).isEqualTo(Bits.of(lossOfPair(student, teacher, 0, 2)));
    assertThat(Bits.of(losses.get(1))).isEqualTo(Bits.of(lossOfPair(student, teacher, 2, 1)));
    assertThat(Bits.of(losses.get(2))).isEqualTo(Bits.of(lossOfPair(student, teacher, 0, 1)));
  }

  private static Tensor lossOfPair(List<Tensor> student, List<Tensor> teacher, int i, int j) {
    return LOSS.compute(
            List.of(student.get(i), student.get(j)), List.of(teacher.get(i), teacher.get(j)))
        .get(0);
  }

  @ParameterizedTest
  @EnumSource
  void matrix_maps_isTheirProduct(Pooling pooling) {
    Tensor first = maps(1).get(0);
    Tensor second = maps(1).get(2);

    Tensor matrix = FspLoss.matrix(first, second, pooling);

    Tensor pooled =
        pooling == Pooling.MAX
            ? torch.adaptive_max_pool2d(first, 2, 2).get0()
            : torch.adaptive_avg_pool2d(first, 2, 2);
    Tensor expected = torch.bmm(pooled.flatten(2, -1), second.flatten(2, -1).transpose(1, 2));
    Precision.FLOAT32.assertClose("matrix", matrix, expected.div(new Scalar(4)));
    Tensor average = FspLoss.matrix(first, second);
    assertThat(Bits.of(average).equals(Bits.of(matrix))).isEqualTo(pooling == Pooling.AVERAGE);
  }

  @ParameterizedTest
  @CsvSource({"AVERAGE, MEAN", "MAX, PAPER", "AVERAGE, TORCHDISTILL", "MAX, TORCHDISTILL"})
  void compute_eachVariant_isMadeOfTheMatrices(Pooling pooling, Reduction reduction) {
    List<Tensor> student = maps(1).stream().map(map -> map.requires_grad_(true)).toList();
    List<Tensor> teacher = maps(2);
    Tensor difference =
        FspLoss.matrix(student.get(0), student.get(2), pooling)
            .sub(FspLoss.matrix(teacher.get(0), teacher.get(2), pooling));
    Tensor expected = reduced(difference, reduction);
    expected.backward();
    List<Tensor> gradients = List.of(gradient(student.get(0)), gradient(student.get(2)));

    Tensor loss =
        FspLoss.ofPairs(new Pair(0, 2))
            .withPooling(pooling)
            .withReduction(reduction)
            .compute(student, teacher)
            .get(0);
    loss.backward();

    Precision.FLOAT32.assertClose("loss", loss, expected);
    Precision.FLOAT32.assertClose("first", gradient(student.get(0)), gradients.get(0));
    Precision.FLOAT32.assertClose("second", gradient(student.get(2)), gradients.get(1));
  }

  private static Tensor reduced(Tensor difference, Reduction reduction) {
    Tensor squares = difference.square();
    return switch (reduction) {
      case MEAN -> squares.mean();
      case PAPER -> squares.sum().div(new Scalar(2));
      case TORCHDISTILL -> squares.sum(1).sqrt().sum().div(new Scalar(2));
    };
  }

  /** Takes the gradient away, so that the next one starts at zero. */
  private static Tensor gradient(Tensor map) {
    Tensor gradient = map.grad().clone();
    map.grad().zero_();
    return gradient;
  }

  @Test
  void matrix_eachArgument_isChecked() {
    Tensor map = maps(1).get(0);
    assertChecked("FspLoss.matrix: first", tensor -> FspLoss.matrix(tensor, map));
    assertChecked("FspLoss.matrix: second", tensor -> FspLoss.matrix(map, tensor));
    assertIllegal(
        () -> FspLoss.matrix(map, map, null), "FspLoss.matrix: pooling must be given (got null)");
    assertRefused(
        () -> FspLoss.matrix(map, torch.zeros(1, 3, 4, 4)),
        "fsp_matrix: first and second must have the same batch (got 2 and 1)");
  }

  @Test
  void options_unusable_areRejected() {
    assertIllegal(() -> LOSS.withPooling(null), "FspLoss: pooling must be given (got null)");
    assertIllegal(() -> LOSS.withReduction(null), "FspLoss: reduction must be given (got null)");
    assertIllegal(
        () -> FspLoss.ofPairs(), "FspLoss.ofPairs: pairs must be at least one (got none)");
    assertIllegal(
        () -> FspLoss.ofPairs((Pair[]) null), "FspLoss.ofPairs: pairs must be given (got null)");
    assertIllegal(
        () -> FspLoss.ofPairs(new Pair(0, 1), null),
        "FspLoss.ofPairs: pairs[1] must be given (got null)");
    assertIllegal(() -> new Pair(-1, 0), "FspLoss.Pair: first must be at least 0 (got -1)");
    assertIllegal(() -> new Pair(0, -2), "FspLoss.Pair: second must be at least 0 (got -2)");
  }

  @Test
  void options_set_areKeptAndPassedOn() {
    FspLoss loss = FspLoss.ofPairs(new Pair(0, 2), new Pair(1, 3));
    FspLoss changed =
        loss.withPooling(Pooling.MAX).withReduction(Reduction.TORCHDISTILL).withAdaptChannels(true);

    assertThat(changed.pairs()).containsExactly(new Pair(0, 2), new Pair(1, 3));
    assertThat(changed.pooling()).isEqualTo(Pooling.MAX);
    assertThat(changed.reduction()).isEqualTo(Reduction.TORCHDISTILL);
    assertThat(changed.adaptChannels()).isTrue();
    assertThat(loss.adaptChannels()).isFalse();
    assertPassedOn(LOSS, NativeFspPooling.kAverage, NativeFspReduction.kMean);
    assertPassedOn(loss, NativeFspPooling.kAverage, NativeFspReduction.kMean, 0, 2, 1, 3);
    assertPassedOn(changed, NativeFspPooling.kMax, NativeFspReduction.kTorchdistill, 0, 2, 1, 3);
    assertPassedOn(
        LOSS.withReduction(Reduction.PAPER), NativeFspPooling.kAverage, NativeFspReduction.kPaper);
  }

  private static void assertPassedOn(
      FspLoss loss, NativeFspPooling pooling, NativeFspReduction reduction, long... pairs) {
    try (NativeFspOptions options = loss.nativeOptions()) {
      assertThat(options.pairs().get()).isEqualTo(pairs);
      assertThat(options.pooling().intern()).isEqualTo(pooling);
      assertThat(options.reduction().intern()).isEqualTo(reduction);
      assertThat(options.adapt_channels()).isEqualTo(loss.adaptChannels());
    }
  }

  @Test
  void defaults_always_areTheNativeOnes() {
    try (NativeFspOptions defaults = new NativeFspOptions()) {
      assertPassedOn(LOSS, defaults.pooling().intern(), defaults.reduction().intern());
      assertThat(defaults.pairs().size()).isZero();
      assertThat(defaults.adapt_channels()).isFalse();
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
    assertRefused(() -> LOSS.compute(student, teacher), "fsp_loss: " + rule);
  }
}
