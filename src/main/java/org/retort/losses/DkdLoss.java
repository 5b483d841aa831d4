package org.retort.losses;

import org.bytedeco.pytorch.Tensor;
import org.retort.bindings.NativeDkdOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeCriteria;
import org.retort.internal.NativeLibrary;

/**
 * Decoupled knowledge distillation: the divergence of {@link KdLoss} split into its two parts, each
 * with its own weight.
 *
 * <pre>{@code
 * loss = T² / B · Σ_b (α · TCKD_b + β · NCKD_b)
 * TCKD = KL([t_y, 1 − t_y] ‖ [s_y, 1 − s_y])             the target class y against all others
 * NCKD = KL(softmax'(teacher / T) ‖ softmax'(student / T))    the other classes among themselves
 * }</pre>
 *
 * <p>where s and t are softmax(student / T) and softmax(teacher / T), and softmax' is over the
 * classes other than y. Samples without a label (−1) don't count, and B is the number of those that
 * do; with weights w_b, the average is Σ_b w_b (…) / Σ_b w_b.
 *
 * <p>As a term of a training step, it compares logits, uses the batch's labels and weights, and
 * takes no taps; a batch in which no sample counts is skipped. In the paper's code, the loss is
 * warmed up over the first epochs: give its term a schedule with a warm-up, {@code
 * Schedule.constant().withWarmup(steps)}.
 *
 * <p>Source: Zhao, Cui, Song, Qiu, Liang: Decoupled Knowledge Distillation, CVPR 2022, arXiv
 * 2203.08679. The values are those of mdistiller's {@code distillers/DKD.py}, which hides the
 * target class by subtracting 1000 from its logit, has no weights, and expects a label for every
 * sample.
 *
 * @param alpha α, the weight of the target class against all others, at least 0 and finite
 * @param beta β, the weight of the other classes among themselves, at least 0 and finite
 * @param temperature T, positive and finite; mdistiller uses 4
 * @param standardise whether the logits of both networks are standardised, as with {@link
 *     KdLoss.Target#STANDARDISED_LOGITS}; false by default
 */
public record DkdLoss(double alpha, double beta, double temperature, boolean standardise)
    implements DistillationLoss {
  static {
    NativeCriteria.register(DkdLoss.class, DkdLoss::nativeOptions);
  }

  private static final String COMPUTE = "DkdLoss.compute";

  /**
   * Creates a loss.
   *
   * @param alpha α, at least 0 and finite
   * @param beta β, at least 0 and finite
   * @param temperature T, positive and finite
   * @param standardise whether logits are standardised
   * @throws IllegalArgumentException if a number is out of range
   */
  public DkdLoss {
    Arguments.notNegative(alpha, "DkdLoss", "alpha");
    Arguments.notNegative(beta, "DkdLoss", "beta");
    Arguments.positive(temperature, "DkdLoss", "temperature");
  }

  /**
   * Returns the loss with the paper's weights for CIFAR-100, α = 1 and β = 8.
   *
   * @param temperature T, positive and finite
   * @return the loss
   * @throws IllegalArgumentException if the temperature is out of range
   */
  public static DkdLoss of(double temperature) {
    return new DkdLoss(1, 8, temperature, false);
  }

  /**
   * Sets the weight of the target class against all others.
   *
   * @param alpha α, at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public DkdLoss withAlpha(double alpha) {
    return new DkdLoss(alpha, beta, temperature, standardise);
  }

  /**
   * Sets the weight of the other classes among themselves.
   *
   * @param beta β, at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public DkdLoss withBeta(double beta) {
    return new DkdLoss(alpha, beta, temperature, standardise);
  }

  /**
   * Sets the temperature.
   *
   * @param temperature T, positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public DkdLoss withTemperature(double temperature) {
    return new DkdLoss(alpha, beta, temperature, standardise);
  }

  /**
   * Sets whether the logits of both networks are standardised.
   *
   * @param standardise whether they are
   * @return a changed copy
   */
  public DkdLoss withStandardise(boolean standardise) {
    return new DkdLoss(alpha, beta, temperature, standardise);
  }

  /**
   * Computes the loss of one batch, in which all labelled samples have the same weight. Gradients
   * flow to the student, and to the teacher if it requires them; they are computed together with
   * the loss and can't be differentiated again.
   *
   * @param student logits [B, classes] of at least two classes, floating point, any strides
   * @param teacher logits of the same shape, dtype and device
   * @param labels int64 [B] on the same device, each a class or −1
   * @return a new scalar, which the caller closes; of the inputs' dtype, float32 for half-precision
   *     inputs
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit, or a label is out of range
   */
  public Tensor compute(Tensor student, Tensor teacher, Tensor labels) {
    NativeLibrary.load();
    try (Tensor unweighted = new Tensor()) {
      return computeNative(student, teacher, labels, unweighted);
    }
  }

  /**
   * Computes the loss of one batch, in which each sample has a weight. Gradients flow as in {@link
   * #compute(Tensor, Tensor, Tensor)}; none flow to the weights.
   *
   * @param student logits [B, classes] of at least two classes, floating point, any strides
   * @param teacher logits of the same shape, dtype and device
   * @param labels int64 [B] on the same device, each a class or −1
   * @param weight [B], at least 0 and finite, of any real dtype or bool, on the same device; if no
   *     labelled sample has a positive weight, the loss is 0
   * @return a new scalar, which the caller closes; of the inputs' dtype, float32 for half-precision
   *     inputs
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit, or a label or weight is out of
   *     range
   */
  public Tensor compute(Tensor student, Tensor teacher, Tensor labels, Tensor weight) {
    return computeNative(student, teacher, labels, Arguments.tensor(weight, COMPUTE, "weight"));
  }

  private Tensor computeNative(Tensor student, Tensor teacher, Tensor labels, Tensor weight) {
    Arguments.tensor(student, COMPUTE, "student");
    Arguments.tensor(teacher, COMPUTE, "teacher");
    Arguments.tensor(labels, COMPUTE, "labels");
    return Native.call(
        () ->
            retort.dkd_loss(
                student, teacher, labels, alpha, beta, temperature, weight, standardise));
  }

  NativeDkdOptions nativeOptions() {
    NativeLibrary.load();
    return new NativeDkdOptions()
        .alpha(alpha)
        .beta(beta)
        .temperature(temperature)
        .standardise(standardise);
  }
}
