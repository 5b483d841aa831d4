package org.retort.losses;

import static org.retort.internal.Arguments.check;

import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch.Layout;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.bindings.NativeOfdOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeOfdInit;
import org.retort.bindings.global.retort.NativeOfdReduction;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeCriteria;
import org.retort.internal.NativeEnums;
import org.retort.internal.NativeLibrary;
import org.retort.internal.NativeNetworks;
import org.retort.internal.Shown;
import org.retort.internal.StringLists;
import org.retort.internal.TensorLists;
import org.retort.models.Network;

/**
 * Overhaul of feature distillation: the student's response must reach the teacher's where that is
 * positive, and stay below a margin where it is negative. On maps before their ReLU, with the
 * target t' = max(teacher, margin),
 *
 * <pre>{@code
 * loss = mean (or sum) over all elements of (student − t')² [student > t' or t' > 0]
 * }</pre>
 *
 * <p>A teacher's map of another height or width is first pooled to the student's size (adaptive
 * average pooling), as in mdistiller. The loss is never negative; a student that equals the target
 * gives 0.
 *
 * <p>As a term of a training step, it is the sum over the layers, each through its own connector, a
 * 1×1 convolution without bias and a BatchNorm, which adapts the student's map to the teacher's
 * channels. The connectors are trained with the student but not part of it. Convolutions are
 * initialised as {@link Init} specifies; BatchNorms start with weight 1 and bias 0. In {@link
 * org.retort.train.TrainingStep#state()}, those of layer I are named {@code
 * connectors.I.conv.weight}, {@code connectors.I.norm.weight}, {@code
 * connectors.I.norm.running_mean}, …. It takes one or more taps, which must be maps before their
 * ReLU.
 *
 * <p>Layer i of n has the weight {@link #layerDecay()}^(n − i − 1) / {@link #scale()}. The official
 * code's loss is that of {@link #ofTeacherMargins} with {@link Reduction#BATCH_MEAN}, a decay of
 * 0.5 and a scale of 1000 (CIFAR-100) or 10000 (ImageNet).
 *
 * <p>Source: Heo, Kim, Yun, Park, Kwak, Choi: A Comprehensive Overhaul of Feature Distillation,
 * ICCV 2019. The values are those of clovaai/overhaul-distillation with {@link Reduction#SUM}, of
 * the survey AberHu/Knowledge-Distillation-Zoo with {@link Reduction#MEAN}, and of mdistiller and
 * mmrazor with {@link Reduction#BATCH_MEAN}.
 *
 * @param margins one margin per layer, each with one number per teacher channel; empty for the
 *     {@link #batchMargin} of each batch
 * @param reduction how squared differences are reduced to a scalar; the mean by default
 * @param layerDecay as a term of a training step, the weight of a layer relative to the one after
 *     it, positive and finite; 1 by default, 0.5 in the official code
 * @param scale as a term of a training step, the divisor of the sum, positive and finite; 1 by
 *     default, 1000 for CIFAR-100 and 10000 for ImageNet in the official code
 * @param init as a term of a training step, how the connectors' convolutions are initialised; as in
 *     all public code by default
 */
public record OfdLoss(
    List<List<Double>> margins, Reduction reduction, double layerDecay, double scale, Init init)
    implements DistillationLoss {
  /** How squared differences are reduced to a scalar. */
  public enum Reduction {
    /** The mean over all elements, as in the survey's code. */
    MEAN,
    /**
     * The sum over all elements, as in the official code, which divides by the batch size later.
     */
    SUM,
    /** The sum over all elements, divided by the batch size, as in mdistiller and mmrazor. */
    BATCH_MEAN
  }

  /** How a connector's convolution is initialised: normally, with mean 0 and this deviation. */
  public enum Init {
    /** √(2 / teacher channels), as in all public code. */
    OFFICIAL,
    /** √(2 / student channels), Kaiming's with fan-in. */
    KAIMING
  }

  static {
    NativeCriteria.register(OfdLoss.class, OfdLoss::nativeOptions);
  }

  private static final String NAME = "OfdLoss";
  private static final int SHOWN = 4;
  private static final String COMPUTE = "OfdLoss.compute";
  private static final String OF_MARGINS = "OfdLoss.ofMargins";
  private static final String EXPECTED_MARGIN = "OfdLoss.expectedMargin";
  private static final String EXPECTED_MARGINS = "OfdLoss.expectedMargins";

  /**
   * Creates a loss.
   *
   * @param margins one margin per layer; empty for that of each batch
   * @param reduction the mean, the sum or the batch mean
   * @param layerDecay positive and finite
   * @param scale positive and finite
   * @param init official or Kaiming's
   * @throws IllegalArgumentException if an argument or a margin is null or out of range
   */
  public OfdLoss {
    margins = Arguments.list(margins, NAME, "margins").stream().map(OfdLoss::checked).toList();
    Arguments.notNull(reduction, NAME, "reduction");
    Arguments.positive(layerDecay, NAME, "layer decay");
    Arguments.positive(scale, NAME, "scale");
    Arguments.notNull(init, NAME, "init");
  }

  private static List<Double> checked(List<Double> margin) {
    check(!margin.isEmpty(), "%s: margins must have one number or more each (got none)", NAME);
    return Arguments.list(margin, NAME, "margin");
  }

  private static OfdLoss of(List<List<Double>> margins) {
    return new OfdLoss(margins, Reduction.MEAN, 1, 1, Init.OFFICIAL);
  }

  /**
   * Returns the loss with the {@link #batchMargin} of each batch, as in the survey's code, reduced
   * by the mean.
   *
   * @return the loss
   */
  public static OfdLoss ofBatchMargins() {
    return of(List.of());
  }

  /**
   * Returns the loss with given margins, for example those of {@link #expectedMargin}, as in the
   * official code, reduced by the mean.
   *
   * <p>The values are copied immediately: the loss holds no tensor, and the caller may change or
   * close the tensors afterwards.
   *
   * @param margins one margin [C] per tap, with C the teacher's channels; floating point, at least
   *     one
   * @return the loss
   * @throws IllegalArgumentException if there is no margin, or one is null, undefined, not dense,
   *     not floating point or not of rank 1
   * @throws IllegalStateException if a tensor was closed
   */
  public static OfdLoss ofMargins(List<Tensor> margins) {
    Tensor[] tensors = Arguments.tensors(margins, OF_MARGINS, "margins");
    check(tensors.length > 0, "%s: margins must be at least one (got none)", OF_MARGINS);
    return of(
        IntStream.range(0, tensors.length)
            .mapToObj(i -> copy(tensors[i], "margins[" + i + "]"))
            .toList());
  }

  /**
   * Returns the loss with the official margins of a teacher as it is now (see {@link
   * #expectedMargins}), reduced by the mean.
   *
   * @param teacher the teacher
   * @param norms the names of its BatchNorm layers before the taps' ReLU, one per tap, for example
   *     {@code "layer1.2.bn2"}; see {@link org.retort.models.Network#normBefore}
   * @return the loss
   * @throws IllegalArgumentException if there is no name, or an argument is null
   * @throws IllegalStateException if the teacher was closed
   * @throws org.retort.RetortException if the teacher has no BatchNorm layer of that name
   */
  public static OfdLoss ofTeacherMargins(Network teacher, String... norms) {
    String function = "OfdLoss.ofTeacherMargins";
    checkTeacher(function, teacher, norms);
    List<Tensor> margins = expectedMargins(teacher, norms, false);
    try {
      return ofMargins(margins);
    } finally {
      margins.forEach(Tensor::close);
    }
  }

  private static List<Double> copy(Tensor margin, String argument) {
    check(
        margin.is_floating_point(),
        "%s: %s must be floating point (got %s)",
        OF_MARGINS,
        argument,
        margin.scalar_type());
    check(
        margin.layout().intern() == Layout.Strided,
        "%s: %s must be dense (got %s)",
        OF_MARGINS,
        argument,
        margin.layout());
    check(
        margin.dim() == 1 && margin.numel() > 0,
        "%s: %s must be of shape [channels] (got %s)",
        OF_MARGINS,
        argument,
        Arrays.toString(margin.shape()));
    return Native.call(
        () -> {
          try (Tensor values = margin.cpu();
              Tensor doubles = values.to(ScalarType.Double);
              Tensor dense = doubles.contiguous()) {
            double[] copy = new double[(int) dense.numel()];
            DoubleBuffer buffer = dense.createBuffer();
            buffer.get(copy);
            return DoubleStream.of(copy).boxed().toList();
          }
        });
  }

  /**
   * Sets the margins.
   *
   * @param margins one margin per layer; empty for that of each batch
   * @return a changed copy
   * @throws IllegalArgumentException if a margin is null or empty
   */
  public OfdLoss withMargins(List<List<Double>> margins) {
    return new OfdLoss(margins, reduction, layerDecay, scale, init);
  }

  /**
   * Sets how squared differences are reduced to a scalar; the mean by default.
   *
   * @param reduction the mean, the sum or the batch mean
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public OfdLoss withReduction(Reduction reduction) {
    return new OfdLoss(margins, reduction, layerDecay, scale, init);
  }

  /**
   * Sets the weight of a layer relative to the one after it, as a term of a training step; 1 by
   * default, 0.5 in the official code.
   *
   * @param layerDecay positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public OfdLoss withLayerDecay(double layerDecay) {
    return new OfdLoss(margins, reduction, layerDecay, scale, init);
  }

  /**
   * Sets the divisor of the sum, as a term of a training step; 1 by default, 1000 for CIFAR-100 and
   * 10000 for ImageNet in the official code.
   *
   * @param scale positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public OfdLoss withScale(double scale) {
    return new OfdLoss(margins, reduction, layerDecay, scale, init);
  }

  /**
   * Sets how the connectors' convolutions are initialised, as a term of a training step; as in all
   * public code by default.
   *
   * @param init official or Kaiming's
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public OfdLoss withInit(Init init) {
    return new OfdLoss(margins, reduction, layerDecay, scale, init);
  }

  /** Returns the options by name, with only the first of many margins. */
  @Override
  public String toString() {
    List<String> shown = margins.stream().map(margin -> Shown.list(margin, SHOWN)).toList();
    return "OfdLoss[margins="
        + Shown.list(shown, SHOWN)
        + ", reduction="
        + reduction
        + ", layerDecay="
        + layerDecay
        + ", scale="
        + scale
        + ", init="
        + init
        + "]";
  }

  /**
   * Computes the loss of one batch, reduced by the mean.
   *
   * @param student [B, C, H, W], the student's map before ReLU, through a connector if channels
   *     differ; floating point, any strides
   * @param teacher [B, C, H', W'] of the same dtype and device
   * @param margin [C] of the same dtype and device; not positive by definition, which is not
   *     checked
   * @return a new scalar, which the caller closes; of the inputs' dtype, float32 for half-precision
   *     inputs
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit
   */
  public static Tensor compute(Tensor student, Tensor teacher, Tensor margin) {
    return compute(student, teacher, margin, Reduction.MEAN);
  }

  /**
   * Computes the loss of one batch. Gradients flow to the student, and to the teacher if it
   * requires them, but never to the margin; they are computed together with the loss and can't be
   * differentiated again. NaNs propagate.
   *
   * @param student [B, C, H, W], the student's map before ReLU, through a connector if channels
   *     differ; floating point, any strides
   * @param teacher [B, C, H', W'] of the same dtype and device
   * @param margin [C] of the same dtype and device; not positive by definition, which is not
   *     checked
   * @param reduction the mean, the sum or the batch mean
   * @return a new scalar, which the caller closes; of the inputs' dtype, float32 for half-precision
   *     inputs
   * @throws IllegalArgumentException if an argument is null or a tensor undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit
   */
  public static Tensor compute(Tensor student, Tensor teacher, Tensor margin, Reduction reduction) {
    Arguments.tensor(student, COMPUTE, "student");
    Arguments.tensor(teacher, COMPUTE, "teacher");
    Arguments.tensor(margin, COMPUTE, "margin");
    Arguments.notNull(reduction, COMPUTE, "reduction");
    return Native.call(
        () ->
            retort.ofd_loss(
                student, teacher, margin, NativeEnums.of(reduction, NativeOfdReduction.class)));
  }

  /**
   * Computes the survey's margin: for each channel, the mean of the negative responses in this
   * batch, or 0 if there are none.
   *
   * <pre>{@code
   * margin_c = sum of negatives / (number of negatives + 1e-6)
   * }</pre>
   *
   * <p>The margin is a constant: no gradient flows.
   *
   * @param teacher [B, C, H, W], floating point, any strides
   * @return a new tensor [C] of the teacher's dtype, which the caller closes
   * @throws IllegalArgumentException if the tensor is null or undefined
   * @throws IllegalStateException if the tensor was closed
   * @throws org.retort.RetortException if the tensor is not a map
   */
  public static Tensor batchMargin(Tensor teacher) {
    Arguments.tensor(teacher, "OfdLoss.batchMargin", "teacher");
    return Native.call(() -> retort.ofd_batch_margin(teacher));
  }

  /**
   * Computes the official margin: for each channel, the expected negative response of the BatchNorm
   * before the teacher's ReLU, as {@link #expectedMargin(Tensor, Tensor, boolean)} does with the
   * official code's second case.
   *
   * @param bnWeight [C], floating point
   * @param bnBias [C] of the same dtype and device
   * @return a new tensor [C] of the same dtype, which the caller closes
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit
   */
  public static Tensor expectedMargin(Tensor bnWeight, Tensor bnBias) {
    return expectedMargin(bnWeight, bnBias, false);
  }

  /**
   * Computes the official margin: for each channel, the expected negative response of the BatchNorm
   * before the teacher's ReLU, whose output is assumed to be normally distributed with mean β =
   * bias and deviation γ = |weight|. With z = β / γ and φ, Φ the normal density and distribution,
   *
   * <pre>{@code
   * margin_c = β − γ φ(z) / Φ(−z)    if Φ(−z) > 0.001
   * margin_c = −3 γ                  otherwise
   * margin_c = min(β, 0)             if γ = 0, where the official code fails
   * }</pre>
   *
   * <p>The second case makes the margin jump, from −0.28 γ to −3 γ at z = 3.09. A stable margin
   * uses the first case for every z, computed from the logarithm of Φ, which does not underflow.
   *
   * <p>The margin is a constant: no gradient flows.
   *
   * @param bnWeight [C], floating point
   * @param bnBias [C] of the same dtype and device
   * @param stable whether to omit the official code's second case
   * @return a new tensor [C] of the same dtype, which the caller closes
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit
   */
  public static Tensor expectedMargin(Tensor bnWeight, Tensor bnBias, boolean stable) {
    Arguments.tensor(bnWeight, EXPECTED_MARGIN, "bn weight");
    Arguments.tensor(bnBias, EXPECTED_MARGIN, "bn bias");
    return Native.call(() -> retort.ofd_expected_margin(bnWeight, bnBias, stable));
  }

  /**
   * Computes the official margins of a whole teacher: the {@link #expectedMargin(Tensor, Tensor,
   * boolean)} of each of its BatchNorm layers before a tap's ReLU.
   *
   * <p>In a residual network, that is the last BatchNorm of a stage's last block: what the shortcut
   * adds is ignored, here as in the official code.
   *
   * @param teacher the teacher
   * @param norms the names of the layers in the order of the taps, for example {@code
   *     "layer1.2.bn2"}, at least one
   * @param stable whether to omit the official code's second case
   * @return one margin [C] per layer for {@link #ofMargins}, new tensors, which the caller closes
   * @throws IllegalArgumentException if there is no name, or an argument is null
   * @throws IllegalStateException if the teacher was closed
   * @throws org.retort.RetortException if the teacher has no BatchNorm layer of that name
   */
  public static List<Tensor> expectedMargins(Network teacher, List<String> norms, boolean stable) {
    Arguments.notNull(norms, EXPECTED_MARGINS, "norms");
    String[] names = norms.toArray(new String[0]);
    checkTeacher(EXPECTED_MARGINS, teacher, names);
    return expectedMargins(teacher, names, stable);
  }

  private static List<Tensor> expectedMargins(Network teacher, String[] norms, boolean stable) {
    return NativeNetworks.of(teacher)
        .ask(
            network -> {
              try (StringVector names = StringLists.toVector(List.of(norms));
                  TensorVector margins = retort.ofd_expected_margins(network, names, stable)) {
                return TensorLists.toList(margins);
              }
            });
  }

  private static void checkTeacher(String function, Network teacher, String[] norms) {
    Arguments.notNull(teacher, function, "teacher");
    Arguments.notNull(norms, function, "norms");
    check(norms.length > 0, "%s: norms must be at least one (got none)", function);
    for (int i = 0; i < norms.length; i++) {
      Arguments.notNull(norms[i], function, "norms[" + i + "]");
    }
  }

  @SuppressWarnings("try") // the scope works by being open
  NativeOfdOptions nativeOptions() {
    NativeLibrary.load();
    NativeOfdOptions options =
        new NativeOfdOptions()
            .reduction(NativeEnums.of(reduction, NativeOfdReduction.class))
            .layer_decay(layerDecay)
            .scale(scale)
            .init(NativeEnums.of(init, NativeOfdInit.class));
    try (PointerScope scope = new PointerScope()) {
      Tensor[] tensors = margins.stream().map(OfdLoss::tensor).toArray(Tensor[]::new);
      options.margins(new TensorVector(tensors));
    }
    return options;
  }

  private static Tensor tensor(List<Double> margin) {
    return Tensor.create(margin.stream().mapToDouble(Double::doubleValue).toArray());
  }
}
