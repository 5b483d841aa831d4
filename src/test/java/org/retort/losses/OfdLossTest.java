package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertChecked;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;
import static org.retort.testing.Failures.assertUnusable;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
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
import org.retort.RetortException;
import org.retort.bindings.NativeOfdOptions;
import org.retort.bindings.global.retort.NativeOfdInit;
import org.retort.bindings.global.retort.NativeOfdReduction;
import org.retort.losses.OfdLoss.Init;
import org.retort.losses.OfdLoss.Reduction;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.Bits;
import org.retort.testing.GoldenCases;
import org.retort.testing.Gradients;
import org.retort.testing.Precision;

final class OfdLossTest {
  @AutoClose private final PointerScope scope = new PointerScope();

  private final Tensor margin = Tensor.create(-0.5f, 0f, -1f);

  /** A convolution of 1×1, then BatchNorm with its running statistics. */
  private record Connector(
      Tensor weight, Tensor scale, Tensor shift, Tensor runningMean, Tensor runningVar) {
    Tensor apply(Tensor map, boolean training) {
      return torch.batch_norm(
          torch.conv2d(map, weight),
          new TensorOptional(scale),
          new TensorOptional(shift),
          new TensorOptional(runningMean),
          new TensorOptional(runningVar),
          training,
          0.1,
          1e-5,
          false);
    }
  }

  static List<Arguments> casesWithBatchMargin() throws IOException {
    return GoldenCases.inEachPrecision("ofd_batch_");
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("casesWithBatchMargin")
  void compute_goldenWithBatchMargin_hasItsLossesAndGradients(String name, Precision precision)
      throws IOException {
    Map<String, Tensor> golden = GoldenCases.read(name);
    Tensor mean = torch.zeros_like(precision.of(golden.get("bn_bias")));
    Tensor variance = torch.ones_like(mean);
    for (int i = 0; i < GoldenCases.listed(golden, "loss").size(); i++) {
      Connector connector = connector(golden, "", precision, mean, variance);
      Tensor student = precision.trainable(golden.get("s" + i));
      Tensor teacher = precision.of(golden.get("t" + i));

      Tensor loss =
          OfdLoss.compute(connector.apply(student, true), teacher, OfdLoss.batchMargin(teacher));
      loss.backward();

      assertThat(loss.scalar_type().intern()).isEqualTo(precision.dtype());
      precision.assertClose("loss " + i, loss, golden.get("loss" + i));
      precision.assertClose("student " + i, student.grad(), golden.get("grad_s" + i));
      precision.assertClose(
          "weight " + i, connector.weight.grad(), golden.get("grad_conv_weight" + i));
      precision.assertClose("scale " + i, connector.scale.grad(), golden.get("grad_bn_weight" + i));
      precision.assertClose("shift " + i, connector.shift.grad(), golden.get("grad_bn_bias" + i));
      precision.assertClose("mean " + i, mean, golden.get("running_mean" + i));
      precision.assertClose("variance " + i, variance, golden.get("running_var" + i));
    }
    Tensor teacher = precision.of(golden.get("t_eval"));
    Tensor student =
        connector(golden, "", precision, mean, variance)
            .apply(precision.of(golden.get("s_eval")), false);
    precision.assertClose(
        "evaluation",
        OfdLoss.compute(student, teacher, OfdLoss.batchMargin(teacher)),
        golden.get("loss_eval"));
  }

  static List<Arguments> casesWithExpectedMargin() throws IOException {
    return GoldenCases.inEachPrecision("ofd_paper_");
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("casesWithExpectedMargin")
  void compute_goldenWithExpectedMargin_hasItsLossAndGradients(String name, Precision precision)
      throws IOException {
    Map<String, Tensor> golden = GoldenCases.read(name);
    List<Tensor> students = precision.trainable(GoldenCases.listed(golden, "s"));
    List<Tensor> teachers = precision.of(GoldenCases.listed(golden, "t"));
    Tensor total = null;
    for (int i = 0; i < students.size(); i++) {
      Tensor expected =
          OfdLoss.expectedMargin(
              precision.of(golden.get("teacher_bn_weight" + i)),
              precision.of(golden.get("teacher_bn_bias" + i)));
      precision.assertClose("margin " + i, expected, golden.get("margin" + i));
      Tensor student =
          connector(golden, String.valueOf(i), precision, null, null).apply(students.get(i), true);

      Tensor loss = OfdLoss.compute(student, teachers.get(i), expected, Reduction.SUM);

      // Layer i of n counts 1 / 2^(n − i − 1).
      total = total == null ? loss : total.mul(new Scalar(0.5)).add(loss);
    }
    total.backward();

    precision.assertClose("loss", total, golden.get("loss"));
    for (int i = 0; i < students.size(); i++) {
      precision.assertClose("student " + i, students.get(i).grad(), golden.get("grad_s" + i));
    }
  }

  private static Connector connector(
      Map<String, Tensor> golden,
      String layer,
      Precision precision,
      Tensor runningMean,
      Tensor runningVar) {
    return new Connector(
        precision.trainable(golden.get("conv_weight" + layer)),
        precision.trainable(golden.get("bn_weight" + layer)),
        precision.trainable(golden.get("bn_bias" + layer)),
        runningMean == null ? new Tensor() : runningMean,
        runningVar == null ? new Tensor() : runningVar);
  }

  @Test
  void compute_batchMean_isTheSumOverTheBatch() {
    Tensor student = map(1);
    double sum = OfdLoss.compute(student, map(2), margin, Reduction.SUM).item_double();
    double mean = OfdLoss.compute(student, map(2), margin, Reduction.BATCH_MEAN).item_double();
    assertThat(sum / 2).isCloseTo(mean, within(1e-5 * mean));
  }

  @Test
  void compute_teacherOfAnotherSize_isThatOfItsPooledMap() {
    Tensor teacher = torch.randn(2, 3, 8, 6);
    Tensor pooled = torch.adaptive_avg_pool2d(teacher, 4, 4);
    assertThat(Bits.of(OfdLoss.compute(map(1), teacher, margin)))
        .isEqualTo(Bits.of(OfdLoss.compute(map(1), pooled, margin)));
  }

  @Test
  void expectedMargin_stable_hasNoLeap() {
    Tensor weight = Tensor.create(1.0, -1.0, 2.0, 1.0, 0.0);
    Tensor bias = Tensor.create(0.0, 2.0, -1.0, 4.0, -3.0);

    Tensor stable = OfdLoss.expectedMargin(weight, bias, true);
    Tensor official = OfdLoss.expectedMargin(weight, bias, false);

    // β − γ φ(z) / Φ(−z) by Python's math.erfc.
    Tensor expected =
        Tensor.create(
            -0.7978845608028654,
            -0.37321553282284015,
            -2.018320867674067,
            -0.22560714448946584,
            -3.0);
    assertThat(official.select(0, 3).item_double()).isEqualTo(-3);
    Precision.FLOAT64.assertClose("margin", stable, expected);
    assertThat(Bits.of(official.narrow(0, 0, 3))).isEqualTo(Bits.of(stable.narrow(0, 0, 3)));
    assertThat(Bits.of(OfdLoss.expectedMargin(weight, bias))).isEqualTo(Bits.of(official));
  }

  @Test
  void expectedMargins_ofATeacher_areThoseOfItsLayers() {
    try (Network teacher = ResNet.cifar(8, 3)) {
      Map<String, Tensor> state = teacher.stateDict();
      state.get("layer2.0.bn2.bias").fill_(new Scalar(4));
      Tensor first =
          OfdLoss.expectedMargin(
              state.get("layer1.0.bn2.weight"), state.get("layer1.0.bn2.bias"), true);
      Tensor second =
          OfdLoss.expectedMargin(
              state.get("layer2.0.bn2.weight"), state.get("layer2.0.bn2.bias"), true);

      List<Tensor> margins =
          OfdLoss.expectedMargins(teacher, List.of("layer1.0.bn2", "layer2.0.bn2"), true);

      assertThat(margins).map(Bits::of).containsExactly(Bits.of(first), Bits.of(second));
      OfdLoss loss = OfdLoss.ofTeacherMargins(teacher, "layer2.0.bn2");
      state.get("layer2.0.bn2.bias").zero_();
      try (NativeOfdOptions options = loss.nativeOptions()) {
        double[] expected = new double[32];
        Arrays.fill(expected, -3);
        assertValues(options.margins().get(0), expected);
      }
    }
  }

  @Test
  void expectedMargins_unusable_areRejected() {
    Network teacher = ResNet.cifar(8, 3);
    assertIllegal(
        () -> OfdLoss.ofTeacherMargins(null, "bn1"),
        "OfdLoss.ofTeacherMargins: teacher must be given (got null)");
    assertIllegal(
        () -> OfdLoss.ofTeacherMargins(teacher),
        "OfdLoss.ofTeacherMargins: norms must be at least one (got none)");
    assertIllegal(
        () -> OfdLoss.ofTeacherMargins(teacher, "bn1", null),
        "OfdLoss.ofTeacherMargins: norms[1] must be given (got null)");
    assertIllegal(
        () -> OfdLoss.expectedMargins(teacher, null, true),
        "OfdLoss.expectedMargins: norms must be given (got null)");
    assertIllegal(
        () -> OfdLoss.expectedMargins(teacher, List.of(), true),
        "OfdLoss.expectedMargins: norms must be at least one (got none)");
    assertThatThrownBy(() -> OfdLoss.ofTeacherMargins(teacher, "layer9"))
        .isExactlyInstanceOf(RetortException.class)
        .hasMessageStartingWith(
            "ofd_expected_margins: norms must be BatchNorm layers of the teacher")
        .hasMessageContaining("layer9");
    teacher.close();
    assertUnusable(
        () -> OfdLoss.ofTeacherMargins(teacher, "bn1"),
        "ResNet: object must be open (got a closed one)");
  }

  @Test
  void compute_sum_isTheMeanTimesTheElements() {
    Tensor student = map(1);
    double sum = OfdLoss.compute(student, map(2), margin, Reduction.SUM).item_double();
    double mean = OfdLoss.compute(student, map(2), margin, Reduction.MEAN).item_double();
    assertThat(sum / student.numel()).isCloseTo(mean, within(1e-5 * mean));
    assertThat(OfdLoss.compute(student, map(2), margin).item_double()).isEqualTo(mean);
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void compute_halfPrecision_isThatOfItsFloats(ScalarType dtype) {
    Tensor student = map(1).to(dtype);
    Tensor teacher = map(2).to(dtype);
    Tensor half = margin.to(dtype);

    Tensor loss = OfdLoss.compute(student, teacher, half);

    assertThat(loss.scalar_type().intern()).isEqualTo(ScalarType.Float);
    Tensor expected =
        OfdLoss.compute(
            student.to(ScalarType.Float), teacher.to(ScalarType.Float), half.to(ScalarType.Float));
    assertThat(Bits.of(loss)).isEqualTo(Bits.of(expected));
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void margins_halfPrecision_keepTheirDtype(ScalarType dtype) {
    assertThat(OfdLoss.batchMargin(map(1).to(dtype)).scalar_type().intern()).isEqualTo(dtype);
    Tensor norm = margin.to(dtype);
    assertThat(OfdLoss.expectedMargin(norm, norm).scalar_type().intern()).isEqualTo(dtype);
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void backward_halfPrecision_givesHalfPrecision(ScalarType dtype) {
    Tensor student = map(1).to(dtype).requires_grad_(true);
    OfdLoss.compute(student, map(2).to(dtype), margin.to(dtype)).backward();
    Gradients.assertGiven(student, dtype);
  }

  @Test
  void backward_whatRequiresGradient_givesIt() {
    Tensor student = map(1).requires_grad_(true);
    Tensor teacher = map(2).requires_grad_(true);
    margin.requires_grad_(true);

    OfdLoss.compute(student, teacher, margin).backward();

    Gradients.assertGiven(student, ScalarType.Float);
    Gradients.assertGiven(teacher, ScalarType.Float);
    assertThat(margin.grad().defined()).isFalse();
  }

  @Test
  void margins_ofTensorsThatRequireGradients_areConstants() {
    Tensor norm = margin.requires_grad_(true);
    assertThat(OfdLoss.batchMargin(map(1).requires_grad_(true)).requires_grad()).isFalse();
    assertThat(OfdLoss.expectedMargin(norm, norm).requires_grad()).isFalse();
  }

  @Test
  void backward_graphKept_givesTheSameAgain() {
    Tensor student = map(1).requires_grad_(true);
    Gradients.assertRepeatable(OfdLoss.compute(student, map(2), margin), student);
  }

  @Test
  void backward_ofTheGradient_isRefusedInOneLine() {
    Tensor student = map(1).requires_grad_(true);
    Gradients.assertOnce(OfdLoss.compute(student, map(2), margin), student, "ofd_loss");
  }

  @Test
  void functions_eachTensor_isChecked() {
    Tensor map = map(1);
    assertChecked("OfdLoss.compute: student", x -> OfdLoss.compute(x, map, margin));
    assertChecked("OfdLoss.compute: teacher", x -> OfdLoss.compute(map, x, margin));
    assertChecked("OfdLoss.compute: margin", x -> OfdLoss.compute(map, map, x));
    assertChecked("OfdLoss.batchMargin: teacher", x -> OfdLoss.batchMargin(x));
    assertChecked("OfdLoss.expectedMargin: bn weight", x -> OfdLoss.expectedMargin(x, margin));
    assertChecked("OfdLoss.expectedMargin: bn bias", x -> OfdLoss.expectedMargin(margin, x));
    assertChecked(
        "OfdLoss.ofMargins: margins[1]", x -> OfdLoss.ofMargins(Arrays.asList(margin, x)));
  }

  @Test
  void compute_tensorsThatDoNotFit_isRefused() {
    Tensor map = torch.zeros(2, 3, 4, 4);
    assertComputeRefused(
        torch.zeros(2, 3, 4),
        map,
        margin,
        "student must be of shape [batch, channels, height, width] (got [2, 3, 4])");
    assertComputeRefused(
        torch.zeros(0, 3, 4, 4), map, margin, "student must not be empty (got [0, 3, 4, 4])");
    assertComputeRefused(
        map,
        torch.zeros(2, 5, 4, 4),
        margin,
        "student and teacher must have the same batch and channels (got [2, 3, 4, 4] and [2, 5, 4,"
            + " 4])");
    assertComputeRefused(
        map,
        map.to(ScalarType.Double),
        margin,
        "student and teacher must have the same dtype (got Float and Double)");
    assertComputeRefused(
        map.to(ScalarType.Int), map, margin, "student must be floating point (got Int)");
    assertComputeRefused(map.to_sparse(), map, margin, "student must be dense (got Sparse)");
    assertComputeRefused(map, map, torch.zeros(4), "margin must be of shape [3] (got [4])");
    assertComputeRefused(
        map,
        map,
        margin.to(ScalarType.Double),
        "student and margin must have the same dtype (got Float and Double)");
  }

  @Test
  void margins_tensorsThatDoNotFit_areRefused() {
    assertRefused(
        () -> OfdLoss.batchMargin(margin),
        "ofd_batch_margin: teacher must be of shape [batch, channels, height, width] (got [3])");
    assertRefused(
        () -> OfdLoss.expectedMargin(margin, torch.zeros(2)),
        "ofd_expected_margin: bn_weight and bn_bias must have the same shape (got [3] and [2])");
  }

  @Test
  void options_null_areRejected() {
    assertIllegal(
        () -> OfdLoss.ofBatchMargins().withInit(null), "OfdLoss: init must be given (got null)");
    assertIllegal(
        () -> OfdLoss.ofBatchMargins().withReduction(null),
        "OfdLoss: reduction must be given (got null)");
    Tensor map = map(1);
    assertIllegal(
        () -> OfdLoss.compute(map, map, margin, null),
        "OfdLoss.compute: reduction must be given (got null)");
  }

  @Test
  void ofMargins_unusable_isRejected() {
    assertMarginsRejected(null, "margins must be given (got null)");
    assertMarginsRejected(List.of(), "margins must be at least one (got none)");
    assertMarginsRejected(
        List.of(margin, margin.to(ScalarType.Int)), "margins[1] must be floating point (got Int)");
    assertMarginsRejected(List.of(margin.to_sparse()), "margins[0] must be dense (got Sparse)");
    assertMarginsRejected(
        List.of(torch.zeros(3, 1)), "margins[0] must be of shape [channels] (got [3, 1])");
    assertMarginsRejected(
        List.of(torch.zeros(0)), "margins[0] must be of shape [channels] (got [0])");
  }

  @Test
  void margins_empty_areRejected() {
    List<List<Double>> margins = List.of(List.of(-1.0), List.of());
    assertIllegal(
        () -> new OfdLoss(margins, Reduction.MEAN, 1, 1, Init.OFFICIAL),
        "OfdLoss: margins must have one number or more each (got none)");
  }

  @Test
  void toString_longMargin_isShortened() {
    List<List<Double>> margins = List.of(List.of(-1.0), List.of(-1.0, -2.0, -3.0, -4.0, -5.0));
    assertThat(new OfdLoss(margins, Reduction.SUM, 0.5, 1000, Init.KAIMING))
        .hasToString(
            "OfdLoss[margins=[[-1.0], [-1.0, -2.0, -3.0, ... 5 in all]], reduction=SUM, "
                + "layerDecay=0.5, scale=1000.0, init=KAIMING]");
  }

  @Test
  void ofMargins_changedAndClosedLater_keepsTheirValues() {
    Tensor spread = torch.zeros(2, 2).select(1, 0).fill_(new Scalar(-2)).requires_grad_(true);
    OfdLoss loss = OfdLoss.ofMargins(List.of(margin, spread.to(ScalarType.Half)));

    margin.fill_(new Scalar(-7));
    margin.close();

    try (NativeOfdOptions options = loss.nativeOptions()) {
      assertThat(options.margins().size()).isEqualTo(2);
      assertValues(options.margins().get(0), -0.5, 0, -1);
      assertValues(options.margins().get(1), -2, -2);
    }
  }

  private static void assertValues(Tensor tensor, double... expected) {
    assertThat(Bits.of(tensor)).isEqualTo(Bits.of(Tensor.create(expected)));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void layerDecayAndScale_notPositiveAndFinite_areRejected(double value) {
    String rule = " must be positive and finite (got " + value + ")";
    OfdLoss loss = OfdLoss.ofBatchMargins();
    assertIllegal(() -> loss.withLayerDecay(value), "OfdLoss: layer decay" + rule);
    assertIllegal(() -> loss.withScale(value), "OfdLoss: scale" + rule);
  }

  @Test
  void options_set_areKeptAndPassedOn() {
    OfdLoss loss = OfdLoss.ofMargins(List.of(margin));
    OfdLoss changed =
        loss.withReduction(Reduction.BATCH_MEAN)
            .withLayerDecay(0.5)
            .withScale(1000)
            .withInit(Init.KAIMING);

    assertThat(changed.reduction()).isEqualTo(Reduction.BATCH_MEAN);
    assertThat(changed.layerDecay()).isEqualTo(0.5);
    assertThat(changed.scale()).isEqualTo(1000);
    assertThat(changed.init()).isEqualTo(Init.KAIMING);
    assertThat(loss.init()).isEqualTo(Init.OFFICIAL);
    assertPassedOn(OfdLoss.ofBatchMargins(), NativeOfdReduction.kMean, NativeOfdInit.kOfficial, 0);
    assertPassedOn(loss, NativeOfdReduction.kMean, NativeOfdInit.kOfficial, 1);
    assertPassedOn(
        loss.withReduction(Reduction.SUM), NativeOfdReduction.kSum, NativeOfdInit.kOfficial, 1);
    assertPassedOn(changed, NativeOfdReduction.kBatchMean, NativeOfdInit.kKaiming, 1);
  }

  private static void assertPassedOn(
      OfdLoss loss, NativeOfdReduction reduction, NativeOfdInit init, long margins) {
    try (NativeOfdOptions options = loss.nativeOptions()) {
      assertThat(options.reduction().intern()).isEqualTo(reduction);
      assertThat(options.init().intern()).isEqualTo(init);
      assertThat(options.layer_decay()).isEqualTo(loss.layerDecay());
      assertThat(options.scale()).isEqualTo(loss.scale());
      assertThat(options.margins().size()).isEqualTo(margins);
    }
  }

  @Test
  void defaults_always_areTheNativeOnes() {
    try (NativeOfdOptions defaults = new NativeOfdOptions()) {
      OfdLoss loss = OfdLoss.ofBatchMargins();
      assertPassedOn(loss, defaults.reduction().intern(), defaults.init().intern(), 0);
      assertThat(loss.layerDecay()).isEqualTo(defaults.layer_decay());
      assertThat(loss.scale()).isEqualTo(defaults.scale());
      assertThat(defaults.margins().size()).isZero();
    }
  }

  private static Tensor map(long seed) {
    Retort.manualSeed(seed);
    return torch.randn(2, 3, 4, 4);
  }

  private static void assertMarginsRejected(List<Tensor> margins, String rule) {
    assertIllegal(() -> OfdLoss.ofMargins(margins), "OfdLoss.ofMargins: " + rule);
  }

  private static void assertComputeRefused(
      Tensor student, Tensor teacher, Tensor margin, String rule) {
    assertRefused(() -> OfdLoss.compute(student, teacher, margin), "ofd_loss: " + rule);
  }
}
