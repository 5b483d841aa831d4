package org.retort.losses;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.OptionalDouble;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.retort.bindings.NativeNstOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeNstKernel;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeCriteria;
import org.retort.internal.NativeEnums;
import org.retort.internal.NativeLibrary;
import org.retort.internal.TensorLists;

/**
 * Neuron selectivity transfer: the maximum mean discrepancy between the activation patterns of the
 * student's and the teacher's channels. For each layer
 *
 * <pre>{@code
 * loss = mean over B of (mean k(s, s') + mean k(t, t') − 2 mean k(s, t))
 * }</pre>
 *
 * <p>over all pairs of channels s, s' of the student's map and t, t' of the teacher's, each a
 * vector of H W numbers divided by its norm (or by 1e-12 if that is larger), with a {@link Kernel}
 * k. If the two maps of a layer differ in size, both are first averaged down to the smaller height
 * and the smaller width. Unless computed {@linkplain #withTeacherTerm without the teacher's term},
 * no loss is ever negative, and equal maps give 0. The order of channels does not matter.
 *
 * <p>A channel whose norm is below the {@linkplain #deadChannelNorm dead channel norm} gets no
 * gradient: its direction is meaningless, and its exact gradient is up to 1e12 times larger than
 * the others.
 *
 * <p>As a term of a training step, it is the sum of the losses of its layers. It takes one or more
 * taps, which must be maps; channels, heights and widths may differ between student and teacher.
 *
 * <p>Source: Huang, Wang: Like What You Like: Knowledge Distill via Neuron Selectivity Transfer,
 * 2017, arXiv 1707.01219. The polynomial kernel's values are those of RepDistiller's {@code
 * distiller_zoo/NST.py}, which handles square maps only; no public code has the other two kernels,
 * which follow the paper. The paper halves the loss.
 *
 * @param kernel how two channels are compared
 * @param degree the degree of the polynomial kernel, between 1 and 16; 2 by default
 * @param offset the offset of the polynomial kernel, at least 0, as a kernel requires, and finite;
 *     0 by default
 * @param variance σ² of the Gaussian kernel, positive and finite; empty if each sample has its own
 * @param teacherTerm whether the loss includes mean k(t, t'); see {@link #withTeacherTerm}
 * @param deadChannelNorm the norm below which a channel gets no gradient, at least 0 and finite;
 *     1e-6 by default
 */
public record NstLoss(
    Kernel kernel,
    long degree,
    double offset,
    OptionalDouble variance,
    boolean teacherTerm,
    double deadChannelNorm)
    implements DistillationLoss {
  /** How two channels x, y are compared, as unit vectors of H W numbers. */
  public enum Kernel {
    /** xᵀy. */
    LINEAR,
    /** (xᵀy + offset)^degree; the paper's best and the only one in public code. */
    POLYNOMIAL,
    /** exp(−|x − y|² / (2 σ²)). */
    GAUSSIAN
  }

  static {
    NativeCriteria.register(NstLoss.class, NstLoss::nativeOptions);
  }

  private static final String NAME = "NstLoss";
  private static final String COMPUTE = "NstLoss.compute";
  private static final long DEGREE = 2;
  private static final long MAX_DEGREE = 16;
  private static final double OFFSET = 0;
  private static final double DEAD_CHANNEL_NORM = 1e-6;

  /**
   * Creates a loss.
   *
   * @param kernel how two channels are compared
   * @param degree between 1 and 16; 2 unless the kernel is polynomial
   * @param offset at least 0 and finite; 0 unless the kernel is polynomial
   * @param variance σ², positive and finite; empty unless the kernel is Gaussian
   * @param teacherTerm whether the loss includes mean k(t, t')
   * @param deadChannelNorm at least 0 and finite
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public NstLoss {
    Arguments.notNull(kernel, NAME, "kernel");
    Arguments.notNull(variance, NAME, "variance");
    check(
        degree >= 1 && degree <= MAX_DEGREE,
        "NstLoss: degree must be between 1 and %s (got %s)",
        MAX_DEGREE,
        degree);
    Arguments.notNegative(offset, NAME, "offset");
    variance.ifPresent(value -> Arguments.positive(value, NAME, "variance"));
    Arguments.notNegative(deadChannelNorm, NAME, "dead channel norm");
    checkUnused(kernel, Kernel.POLYNOMIAL, degree == DEGREE, "degree");
    checkUnused(kernel, Kernel.POLYNOMIAL, offset == OFFSET, "offset");
    checkUnused(kernel, Kernel.GAUSSIAN, variance.isEmpty(), "variance");
  }

  private static void checkUnused(Kernel kernel, Kernel user, boolean isDefault, String option) {
    check(
        kernel == user || isDefault,
        "NstLoss: %s must be used with the kernel %s (got %s)",
        option,
        user,
        kernel);
  }

  private static NstLoss of(Kernel kernel) {
    return new NstLoss(kernel, DEGREE, OFFSET, OptionalDouble.empty(), true, DEAD_CHANNEL_NORM);
  }

  /**
   * Returns the loss with the linear kernel.
   *
   * @return the loss
   */
  public static NstLoss linear() {
    return of(Kernel.LINEAR);
  }

  /**
   * Returns the loss with the polynomial kernel, of degree 2 and with an offset of 0, as in the
   * paper and all public code.
   *
   * @return the loss
   */
  public static NstLoss polynomial() {
    return of(Kernel.POLYNOMIAL);
  }

  /**
   * Returns the loss with the Gaussian kernel. As in the paper, its σ² is the mean of |x − y|² over
   * all pairs of a student's and a teacher's channel of the sample, which is a constant in the
   * gradient.
   *
   * @return the loss
   */
  public static NstLoss gaussian() {
    return of(Kernel.GAUSSIAN);
  }

  /**
   * Sets the kernel.
   *
   * @param kernel how two channels are compared
   * @return a changed copy
   * @throws IllegalArgumentException if it is null, or an option of another kernel is set
   */
  public NstLoss withKernel(Kernel kernel) {
    return new NstLoss(kernel, degree, offset, variance, teacherTerm, deadChannelNorm);
  }

  /**
   * Sets the degree of the polynomial kernel; 2 by default.
   *
   * @param degree between 1 and 16
   * @return a changed copy
   * @throws IllegalArgumentException if the degree is out of range, or the kernel is not polynomial
   */
  public NstLoss withDegree(long degree) {
    return new NstLoss(kernel, degree, offset, variance, teacherTerm, deadChannelNorm);
  }

  /**
   * Sets the offset of the polynomial kernel; 0 by default.
   *
   * @param offset at least 0, as a kernel requires, and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the offset is out of range, or the kernel is not polynomial
   */
  public NstLoss withOffset(double offset) {
    return new NstLoss(kernel, degree, offset, variance, teacherTerm, deadChannelNorm);
  }

  /**
   * Fixes the variance of the Gaussian kernel; each sample has its own by default.
   *
   * @param variance σ², positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the variance is out of range, or the kernel is not Gaussian
   */
  public NstLoss withVariance(double variance) {
    return new NstLoss(
        kernel, degree, offset, OptionalDouble.of(variance), teacherTerm, deadChannelNorm);
  }

  /**
   * Sets whether the loss includes mean k(t, t'); by default it does, as in RepDistiller. Without
   * the term, as in TuSimple's code, the paper's own, the loss may be negative. The term does not
   * depend on the student, whose gradient stays the same.
   *
   * @param teacherTerm whether it does
   * @return a changed copy
   */
  public NstLoss withTeacherTerm(boolean teacherTerm) {
    return new NstLoss(kernel, degree, offset, variance, teacherTerm, deadChannelNorm);
  }

  /**
   * Sets the norm below which a channel gets no gradient; 1e-6 by default.
   *
   * @param deadChannelNorm at least 0 and finite; 0 gives the exact gradient of {@code
   *     torch.nn.functional.normalize}
   * @return a changed copy
   * @throws IllegalArgumentException if the norm is out of range
   */
  public NstLoss withDeadChannelNorm(double deadChannelNorm) {
    return new NstLoss(kernel, degree, offset, variance, teacherTerm, deadChannelNorm);
  }

  /**
   * Computes the losses of one batch. Gradients flow to the student's maps, and to those of the
   * teacher's that require them; they are computed together with the losses and can't be
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
    return Native.call(
        () -> {
          try (TensorVector students = TensorLists.toVector(student, COMPUTE, "student");
              TensorVector teachers = TensorLists.toVector(teacher, COMPUTE, "teacher");
              NativeNstOptions options = nativeOptions();
              TensorVector losses = retort.nst_loss(students, teachers, options)) {
            return TensorLists.toList(losses);
          }
        });
  }

  NativeNstOptions nativeOptions() {
    NativeLibrary.load();
    NativeNstOptions options =
        new NativeNstOptions(NativeEnums.of(kernel, NativeNstKernel.class))
            .degree(degree)
            .offset(offset)
            .teacher_term(teacherTerm)
            .dead_channel_norm(deadChannelNorm);
    variance.ifPresent(options.variance()::put);
    return options;
  }
}
