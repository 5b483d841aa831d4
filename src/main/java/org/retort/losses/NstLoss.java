package org.retort.losses;

import static org.retort.internal.Arguments.check;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.NativeNstOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeNstKernel;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NativeLibrary;
import org.retort.internal.TensorLists;

/**
 * Neuron selectivity transfer: the maximum mean discrepancy between what the student's and what the
 * teacher's channels respond to. For each layer
 *
 * <pre>{@code
 * loss = mean over B of (mean k(s, s') + mean k(t, t') − 2 mean k(s, t))
 * }</pre>
 *
 * <p>over all pairs of channels s, s' of the student's and t, t' of the teacher's map, each a
 * vector of H W numbers divided by its length (or by 1e-12 if that is larger), with a {@link
 * Kernel} k. If the two maps of a layer differ in size, both are first averaged down to the smaller
 * height and the smaller width. No loss is ever negative; equal maps give 0, and the order of
 * channels does not matter.
 *
 * <p>A channel whose length is below the {@linkplain #deadChannelNorm(double) dead channel norm}
 * gets no gradient: its direction means nothing, and the exact gradient is up to 1e12 times larger
 * than the others.
 *
 * <p>As a term of a training step it is the sum of the losses of its layers. It takes one tap or
 * more, maps; channels, heights and widths may differ between student and teacher.
 *
 * <p>Source: Huang, Wang: Like What You Like: Knowledge Distill via Neuron Selectivity Transfer,
 * 2017, arXiv 1707.01219. The polynomial kernel's values are those of RepDistiller's {@code
 * distiller_zoo/NST.py}, which handles square maps only; no public code has the other two kernels,
 * which follow the paper. The paper halves the loss.
 */
public final class NstLoss implements DistillationLoss {
  /** How two channels x, y are compared, as unit vectors of H W numbers. */
  public enum Kernel {
    /** xᵀy. */
    LINEAR(NativeNstKernel.kLinear),
    /** (xᵀy)²; the paper's best and the only one in public code. */
    POLYNOMIAL(NativeNstKernel.kPolynomial),
    /**
     * exp(−|x − y|² / (2 σ²)), σ² the mean of |x − y|² over all pairs of a student's with a
     * teacher's channel of the sample, a constant for the gradient.
     */
    GAUSSIAN(NativeNstKernel.kGaussian);

    private final NativeNstKernel nativeKernel;

    Kernel(NativeNstKernel nativeKernel) {
      this.nativeKernel = nativeKernel;
    }
  }

  private static final String COMPUTE = "NstLoss.compute";
  private static final double DEAD_CHANNEL_NORM = 1e-6;

  private final Kernel kernel;
  private final double deadChannelNorm;

  private NstLoss(Kernel kernel, double deadChannelNorm) {
    this.kernel = kernel;
    this.deadChannelNorm = deadChannelNorm;
  }

  /**
   * The loss with the linear kernel.
   *
   * @return the loss
   */
  public static NstLoss linear() {
    return new NstLoss(Kernel.LINEAR, DEAD_CHANNEL_NORM);
  }

  /**
   * The loss with the polynomial kernel.
   *
   * @return the loss
   */
  public static NstLoss polynomial() {
    return new NstLoss(Kernel.POLYNOMIAL, DEAD_CHANNEL_NORM);
  }

  /**
   * The loss with the Gaussian kernel.
   *
   * @return the loss
   */
  public static NstLoss gaussian() {
    return new NstLoss(Kernel.GAUSSIAN, DEAD_CHANNEL_NORM);
  }

  /**
   * Sets the length below which a channel gets no gradient; 1e-6 by default.
   *
   * @param norm at least 0 and finite; 0 gives the exact gradient of {@code
   *     torch.nn.functional.normalize}
   * @return a changed copy
   * @throws IllegalArgumentException if the norm is out of range
   */
  public NstLoss deadChannelNorm(double norm) {
    checkNorm("NstLoss.deadChannelNorm", norm);
    return new NstLoss(kernel, norm);
  }

  /**
   * The kernel.
   *
   * @return how two channels are compared
   */
  public Kernel kernel() {
    return kernel;
  }

  /**
   * The length below which a channel gets no gradient.
   *
   * @return the norm
   */
  public double deadChannelNorm() {
    return deadChannelNorm;
  }

  /**
   * Computes the losses of one batch, with the default dead channel norm.
   *
   * @param student n ≥ 1 maps [B, C_i, H_i, W_i], floating point, any strides
   * @param teacher as many maps with the same batch, dtype and device; channels, heights and widths
   *     may be others
   * @param kernel how two channels are compared
   * @return the losses of the n layers, new scalars, which the caller closes; of the inputs' dtype,
   *     float32 for half-precision inputs
   * @throws IllegalArgumentException if an argument or a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if there is no map, or they don't fit
   */
  public static List<Tensor> compute(List<Tensor> student, List<Tensor> teacher, Kernel kernel) {
    return compute(student, teacher, kernel, DEAD_CHANNEL_NORM);
  }

  /**
   * Computes the losses of one batch. Gradients flow to the student's maps, and to those of the
   * teacher's that require them; they are computed together with the losses, and can't be
   * differentiated again.
   *
   * @param student n ≥ 1 maps [B, C_i, H_i, W_i], floating point, any strides
   * @param teacher as many maps with the same batch, dtype and device; channels, heights and widths
   *     may be others
   * @param kernel how two channels are compared
   * @param deadChannelNorm at least 0 and finite; a channel whose length is below gets no gradient
   * @return the losses of the n layers, new scalars, which the caller closes; of the inputs' dtype,
   *     float32 for half-precision inputs
   * @throws IllegalArgumentException if an argument or a tensor is null or undefined, or the norm
   *     is out of range
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if there is no map, or they don't fit
   */
  public static List<Tensor> compute(
      List<Tensor> student, List<Tensor> teacher, Kernel kernel, double deadChannelNorm) {
    NativeLibrary.load();
    try (TensorVector students = TensorLists.toVector(student, COMPUTE, "student");
        TensorVector teachers = TensorLists.toVector(teacher, COMPUTE, "teacher");
        TensorVector losses = computeNative(students, teachers, kernel, deadChannelNorm)) {
      return TensorLists.toList(losses);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  private static TensorVector computeNative(
      TensorVector student, TensorVector teacher, Kernel kernel, double deadChannelNorm) {
    Arguments.notNull(kernel, COMPUTE, "kernel");
    checkNorm(COMPUTE, deadChannelNorm);
    return retort.nst_loss(student, teacher, kernel.nativeKernel, deadChannelNorm);
  }

  @Override
  public NativeCriterionOptions nativeOptions() {
    NativeLibrary.load();
    return new NativeNstOptions().kernel(kernel.nativeKernel).dead_channel_norm(deadChannelNorm);
  }

  private static void checkNorm(String function, double norm) {
    check(
        norm >= 0 && Double.isFinite(norm),
        "%s: dead channel norm must be at least 0 and finite (got %s)",
        function,
        norm);
  }
}
