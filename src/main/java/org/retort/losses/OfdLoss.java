package org.retort.losses;

import static org.retort.internal.Arguments.check;

import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch.Layout;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.NativeOfdOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeOfdReduction;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NativeLibrary;

/**
 * Overhaul of feature distillation: the student's response must reach the teacher's where that is
 * positive, and stay below a margin where it is negative. On maps before their ReLU, with the
 * target t' = max(teacher, margin),
 *
 * <pre>{@code
 * loss = mean (or sum) over all elements of (student − t')² [student > t' or t' > 0]
 * }</pre>
 *
 * <p>The loss is never negative; a student that equals the target gives 0.
 *
 * <p>As a term of a training step it is the sum over the layers, each through a connector of its
 * own, a 1×1 convolution without bias and a BatchNorm, which brings the student's map to the
 * teacher's channels. The connectors are trained with the student and not part of it. Convolutions
 * start normally distributed with deviation √(2 / teacher channels), BatchNorms with weight 1 and
 * bias 0, as both public codes have them. In {@link org.retort.train.TrainingStep#state()} layer
 * I's are named {@code connectors.I.conv.weight}, {@code connectors.I.norm.weight}, {@code
 * connectors.I.norm.running_mean}, …. It takes one tap or more, maps before their ReLU, of the same
 * height and width in student and teacher.
 *
 * <p>Source: Heo, Kim, Yun, Park, Kwak, Choi: A Comprehensive Overhaul of Feature Distillation,
 * ICCV 2019. The values are those of clovaai/overhaul-distillation with {@link Reduction#SUM}, and
 * of the survey AberHu/Knowledge-Distillation-Zoo with {@link Reduction#MEAN}.
 */
public final class OfdLoss implements DistillationLoss {
  /** How squared differences become one number. */
  public enum Reduction {
    /** The mean over all elements, as in the survey's code. */
    MEAN(NativeOfdReduction.kMean),
    /**
     * The sum over all elements, as in the official code. As a term of a training step, layer i of
     * n then counts 1 / 2^(n − i − 1), as there. The official code divides the whole by the batch
     * and by 1000 (CIFAR-100) or 10000 (ImageNet) besides: choose the term's weight accordingly.
     */
    SUM(NativeOfdReduction.kSum);

    private final NativeOfdReduction nativeReduction;

    Reduction(NativeOfdReduction nativeReduction) {
      this.nativeReduction = nativeReduction;
    }
  }

  private static final String COMPUTE = "OfdLoss.compute";
  private static final String WITH_MARGINS = "OfdLoss.withMargins";

  /** One array a layer; none for the margins of each batch. */
  private final double[][] margins;

  private final Reduction reduction;

  private OfdLoss(double[][] margins, Reduction reduction) {
    this.margins = margins;
    this.reduction = reduction;
  }

  /**
   * The loss with {@link #batchMargin} of each batch, as in the survey's code, reduced by the mean.
   *
   * @return the loss
   */
  public static OfdLoss withBatchMargin() {
    return new OfdLoss(new double[0][], Reduction.MEAN);
  }

  /**
   * The loss with given margins, for example those of {@link #expectedMargin}, as in the official
   * code, reduced by the mean.
   *
   * <p>The values are read now and copied: the loss holds no tensor, and the caller may change or
   * close them afterwards.
   *
   * @param margins one margin [C] a tap, C the teacher's channels; floating point, at least one
   * @return the loss
   * @throws IllegalArgumentException if there is no margin, or one is null, undefined, not dense,
   *     not floating point or not of rank 1
   * @throws IllegalStateException if a tensor was closed
   */
  public static OfdLoss withMargins(List<Tensor> margins) {
    Tensor[] tensors = Arguments.tensors(margins, WITH_MARGINS, "margins");
    check(tensors.length > 0, "%s: margins must be at least one (got none)", WITH_MARGINS);
    return new OfdLoss(
        IntStream.range(0, tensors.length)
            .mapToObj(i -> copy(tensors[i], "margins[" + i + "]"))
            .toArray(double[][]::new),
        Reduction.MEAN);
  }

  private static double[] copy(Tensor margin, String argument) {
    check(
        margin.is_floating_point(),
        "%s: %s must be floating point (got %s)",
        WITH_MARGINS,
        argument,
        margin.scalar_type());
    check(
        margin.layout().intern() == Layout.Strided,
        "%s: %s must be dense (got %s)",
        WITH_MARGINS,
        argument,
        margin.layout());
    check(
        margin.dim() == 1,
        "%s: %s must be of shape [channels] (got %s)",
        WITH_MARGINS,
        argument,
        Arrays.toString(margin.shape()));
    try (Tensor values = margin.cpu();
        Tensor doubles = values.to(ScalarType.Double);
        Tensor dense = doubles.contiguous()) {
      double[] copy = new double[(int) dense.numel()];
      DoubleBuffer buffer = dense.createBuffer();
      buffer.get(copy);
      return copy;
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  /**
   * Sets how squared differences become one number; the mean by default.
   *
   * @param reduction the mean or the sum
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public OfdLoss reduction(Reduction reduction) {
    Arguments.notNull(reduction, "OfdLoss.reduction", "reduction");
    return new OfdLoss(margins, reduction);
  }

  /**
   * How squared differences become one number.
   *
   * @return the mean or the sum
   */
  public Reduction reduction() {
    return reduction;
  }

  /**
   * Computes the loss of one batch, reduced by the mean.
   *
   * @param student [B, C, H, W], the student's map before ReLU, through a connector where channels
   *     differ; floating point, any strides
   * @param teacher of the same shape, dtype and device
   * @param margin [C] of the same dtype and device; not positive by its meaning, which is not
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
   * requires them, never to the margin; they are computed together with the loss, and can't be
   * differentiated again. A NaN in gives a NaN out.
   *
   * @param student [B, C, H, W], the student's map before ReLU, through a connector where channels
   *     differ; floating point, any strides
   * @param teacher of the same shape, dtype and device
   * @param margin [C] of the same dtype and device; not positive by its meaning, which is not
   *     checked
   * @param reduction the mean or the sum
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
    NativeLibrary.load();
    try {
      return retort.ofd_loss(student, teacher, margin, reduction.nativeReduction);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  /**
   * The survey's margin: for each channel the mean of the negative responses in this batch, and 0
   * if there are none.
   *
   * <pre>{@code
   * margin_c = sum of negatives / (number of negatives + 1e-6)
   * }</pre>
   *
   * <p>A constant: no gradient flows.
   *
   * @param teacher [B, C, H, W], floating point, any strides
   * @return a new tensor [C] of the teacher's dtype, which the caller closes
   * @throws IllegalArgumentException if the tensor is null or undefined
   * @throws IllegalStateException if the tensor was closed
   * @throws org.retort.RetortException if the tensor is not a map
   */
  public static Tensor batchMargin(Tensor teacher) {
    Arguments.tensor(teacher, "OfdLoss.batchMargin", "teacher");
    NativeLibrary.load();
    try {
      return retort.ofd_batch_margin(teacher);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  /**
   * The official margin: for each channel the expected negative response of the BatchNorm before
   * the teacher's ReLU, whose output is taken for normally distributed with mean β = bias and
   * deviation γ = |weight|. With z = β / γ and φ, Φ the normal density and distribution,
   *
   * <pre>{@code
   * margin_c = β − γ φ(z) / Φ(−z)    if Φ(−z) > 0.001
   * margin_c = −3 γ                  otherwise
   * margin_c = min(β, 0)             if γ = 0, where the official code fails
   * }</pre>
   *
   * <p>A constant: no gradient flows.
   *
   * @param bnWeight [C], floating point
   * @param bnBias [C] of the same dtype and device
   * @return a new tensor [C] of the same dtype, which the caller closes
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit
   */
  public static Tensor expectedMargin(Tensor bnWeight, Tensor bnBias) {
    Arguments.tensor(bnWeight, "OfdLoss.expectedMargin", "bn weight");
    Arguments.tensor(bnBias, "OfdLoss.expectedMargin", "bn bias");
    NativeLibrary.load();
    try {
      return retort.ofd_expected_margin(bnWeight, bnBias);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  @Override
  @SuppressWarnings("try") // the scope works by being open
  public NativeCriterionOptions nativeOptions() {
    NativeLibrary.load();
    NativeOfdOptions options = new NativeOfdOptions().reduction(reduction.nativeReduction);
    try (PointerScope scope = new PointerScope()) {
      Tensor[] tensors = Arrays.stream(margins).map(Tensor::create).toArray(Tensor[]::new);
      return options.margins(new TensorVector(tensors));
    }
  }
}
