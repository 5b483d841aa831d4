package org.retort.losses;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.OptionalDouble;
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
 * height and the smaller width. Unless it is {@linkplain #withoutTeacherTerm() without the
 * teacher's term}, no loss is ever negative, and equal maps give 0. The order of channels does not
 * matter.
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
    /** (xᵀy + offset)^degree; the paper's best and the only one in public code. */
    POLYNOMIAL(NativeNstKernel.kPolynomial),
    /** exp(−|x − y|² / (2 σ²)). */
    GAUSSIAN(NativeNstKernel.kGaussian);

    private final NativeNstKernel nativeKernel;

    Kernel(NativeNstKernel nativeKernel) {
      this.nativeKernel = nativeKernel;
    }
  }

  private static final String COMPUTE = "NstLoss.compute";
  private static final long DEGREE = 2;
  private static final long MAX_DEGREE = 16;
  private static final double OFFSET = 0;
  private static final double DEAD_CHANNEL_NORM = 1e-6;

  private final Kernel kernel;
  private final long degree;
  private final double offset;
  private final OptionalDouble variance;
  private final boolean hasTeacherTerm;
  private final double deadChannelNorm;

  private NstLoss(
      Kernel kernel,
      long degree,
      double offset,
      OptionalDouble variance,
      boolean hasTeacherTerm,
      double deadChannelNorm) {
    this.kernel = kernel;
    this.degree = degree;
    this.offset = offset;
    this.variance = variance;
    this.hasTeacherTerm = hasTeacherTerm;
    this.deadChannelNorm = deadChannelNorm;
  }

  private static NstLoss of(Kernel kernel) {
    return new NstLoss(kernel, DEGREE, OFFSET, OptionalDouble.empty(), true, DEAD_CHANNEL_NORM);
  }

  /**
   * The loss with the linear kernel.
   *
   * @return the loss
   */
  public static NstLoss linear() {
    return of(Kernel.LINEAR);
  }

  /**
   * The loss with the polynomial kernel, of degree 2 and with an offset of 0, as in the paper and
   * all public code.
   *
   * @return the loss
   */
  public static NstLoss polynomial() {
    return of(Kernel.POLYNOMIAL);
  }

  /**
   * The loss with the Gaussian kernel. As in the paper, its σ² is the mean of |x − y|² over all
   * pairs of a student's with a teacher's channel of the sample, a constant for the gradient.
   *
   * @return the loss
   */
  public static NstLoss gaussian() {
    return of(Kernel.GAUSSIAN);
  }

  /**
   * Sets the degree of the polynomial kernel; 2 by default.
   *
   * @param degree between 1 and 16
   * @return a changed copy
   * @throws IllegalArgumentException if the degree is out of range, or the kernel is another
   */
  public NstLoss degree(long degree) {
    checkKernel("NstLoss.degree", Kernel.POLYNOMIAL);
    check(
        degree >= 1 && degree <= MAX_DEGREE,
        "NstLoss.degree: degree must be between 1 and %s (got %s)",
        MAX_DEGREE,
        degree);
    return new NstLoss(kernel, degree, offset, variance, hasTeacherTerm, deadChannelNorm);
  }

  /**
   * Sets the offset of the polynomial kernel; 0 by default.
   *
   * @param offset at least 0, as a kernel must have it, and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the offset is out of range, or the kernel is another
   */
  public NstLoss offset(double offset) {
    checkKernel("NstLoss.offset", Kernel.POLYNOMIAL);
    Arguments.notNegative(offset, "NstLoss.offset", "offset");
    return new NstLoss(kernel, degree, offset, variance, hasTeacherTerm, deadChannelNorm);
  }

  /**
   * Fixes the variance of the Gaussian kernel; each sample has its own by default.
   *
   * @param variance σ², positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the variance is out of range, or the kernel is another
   */
  public NstLoss variance(double variance) {
    checkKernel("NstLoss.variance", Kernel.GAUSSIAN);
    Arguments.positive(variance, "NstLoss.variance", "variance");
    return new NstLoss(
        kernel, degree, offset, OptionalDouble.of(variance), hasTeacherTerm, deadChannelNorm);
  }

  /**
   * Leaves mean k(t, t') out of the value, which may then be negative, as in TuSimple's code, the
   * paper's own. It is a constant to the student, whose gradient stays the same; RepDistiller has
   * it.
   *
   * @return a changed copy
   */
  public NstLoss withoutTeacherTerm() {
    return new NstLoss(kernel, degree, offset, variance, false, deadChannelNorm);
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
    Arguments.notNegative(norm, "NstLoss.deadChannelNorm", "dead channel norm");
    return new NstLoss(kernel, degree, offset, variance, hasTeacherTerm, norm);
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
   * The degree of the polynomial kernel.
   *
   * @return between 1 and 16; of no use to other kernels
   */
  public long degree() {
    return degree;
  }

  /**
   * The offset of the polynomial kernel.
   *
   * @return at least 0; of no use to other kernels
   */
  public double offset() {
    return offset;
  }

  /**
   * The fixed variance of the Gaussian kernel.
   *
   * @return σ²; empty if each sample has its own
   */
  public OptionalDouble variance() {
    return variance;
  }

  /**
   * Whether mean k(t, t') is part of the value.
   *
   * @return true by default
   */
  public boolean hasTeacherTerm() {
    return hasTeacherTerm;
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
   * Computes the losses of one batch. Gradients flow to the student's maps, and to those of the
   * teacher's that require them; they are computed together with the losses, and can't be
   * differentiated again.
   *
   * @param student n ≥ 1 maps [B, C_i, H_i, W_i], floating point, any strides
   * @param teacher the same number of maps, with the same batch, dtype and device; channels,
   *     heights and widths may differ
   * @return the losses of the n layers, new scalars, which the caller closes; of the inputs' dtype,
   *     float32 for half-precision inputs
   * @throws IllegalArgumentException if a list or a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if there is no map, or they don't fit
   */
  public List<Tensor> compute(List<Tensor> student, List<Tensor> teacher) {
    NativeLibrary.load();
    try (TensorVector students = TensorLists.toVector(student, COMPUTE, "student");
        TensorVector teachers = TensorLists.toVector(teacher, COMPUTE, "teacher");
        NativeNstOptions options = options();
        TensorVector losses = retort.nst_loss(students, teachers, options)) {
      return TensorLists.toList(losses);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  @Override
  public NativeCriterionOptions nativeOptions() {
    NativeLibrary.load();
    return options();
  }

  private NativeNstOptions options() {
    NativeNstOptions options =
        new NativeNstOptions(kernel.nativeKernel)
            .degree(degree)
            .offset(offset)
            .teacher_term(hasTeacherTerm)
            .dead_channel_norm(deadChannelNorm);
    variance.ifPresent(options.variance()::put);
    return options;
  }

  private void checkKernel(String function, Kernel required) {
    check(kernel == required, "%s: kernel must be %s (got %s)", function, required, kernel);
  }
}
