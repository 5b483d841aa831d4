package org.retort.losses;

import org.bytedeco.pytorch.Tensor;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.NativeKdOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeKdTarget;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NativeLibrary;

/**
 * Classic knowledge distillation: the divergence of the student's softened predictions from the
 * teacher's.
 *
 * <pre>{@code
 * loss = T² / B · Σ_b KL(softmax(teacher_b / T) ‖ softmax(student_b / T))
 * }</pre>
 *
 * <p>The sum over the classes is averaged over the batch, and T² keeps the gradient's size
 * independent of the temperature. With weights w_b the average is Σ_b w_b KL_b / Σ_b w_b: weights
 * of 0 and 1 are a mask, and what is masked out might as well not be in the batch. With {@link
 * Target#PROBABILITIES} the teacher's tensor takes the place of its softmax.
 *
 * <p>As a term of a training step it compares logits and takes no taps; all samples count alike.
 *
 * <p>Source: Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2014, arXiv
 * 1503.02531. The values are those of RepDistiller's {@code distiller_zoo/KD.py}, which has no
 * weights; the paper leaves the batch reduction open. {@link Target#STANDARDISED_LOGITS} is Sun,
 * Ren, Li, Wang, Cao: Logit Standardization in Knowledge Distillation, CVPR 2024, arXiv 2403.01427,
 * whose code weights the loss by 9 at T = 2.
 */
public final class KdLoss implements DistillationLoss {
  /** What the teacher's tensor holds. */
  public enum Target {
    /** Logits, which are softened as the student's are. */
    LOGITS(NativeKdTarget.kLogits),
    /**
     * Probabilities, which are taken as they are: at least 0 and with a sum of 1 for each sample,
     * which is not checked. As a term of a training step, for a teacher that ends with a softmax.
     */
    PROBABILITIES(NativeKdTarget.kProbabilities),
    /**
     * Logits; those of both networks are standardised before they are softened: each row x is
     * replaced by (x − mean x) / (deviation x + 1e-7), with the deviation over classes − 1. The
     * student then has to match the teacher's order of the classes rather than the range of its
     * logits.
     */
    STANDARDISED_LOGITS(NativeKdTarget.kStandardisedLogits);

    private final NativeKdTarget nativeTarget;

    Target(NativeKdTarget nativeTarget) {
      this.nativeTarget = nativeTarget;
    }
  }

  private static final String COMPUTE = "KdLoss.compute";

  private final double temperature;
  private final Target target;

  private KdLoss(double temperature, Target target) {
    this.temperature = temperature;
    this.target = target;
  }

  /**
   * The loss at a temperature, with the teacher's logits; RepDistiller uses 4.
   *
   * @param temperature T, positive and finite
   * @return the loss
   * @throws IllegalArgumentException if the temperature is not positive and finite
   */
  public static KdLoss withTemperature(double temperature) {
    Arguments.positive(temperature, "KdLoss.withTemperature", "temperature");
    return new KdLoss(temperature, Target.LOGITS);
  }

  /**
   * Sets what the teacher's tensor holds; logits by default.
   *
   * @param target logits, probabilities or standardised logits
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public KdLoss target(Target target) {
    return new KdLoss(temperature, Arguments.notNull(target, "KdLoss.target", "target"));
  }

  /**
   * The temperature.
   *
   * @return T
   */
  public double temperature() {
    return temperature;
  }

  /**
   * What the teacher's tensor holds.
   *
   * @return logits, probabilities or standardised logits
   */
  public Target target() {
    return target;
  }

  /**
   * Computes the loss of one batch, in which all samples count alike. Gradients flow to the
   * student, and to the teacher if it requires them; they are computed together with the loss, and
   * can't be differentiated again. A teacher's logit of −∞ is a class of probability 0. A NaN in
   * gives a NaN out.
   *
   * @param student logits [B, classes], floating point, any strides
   * @param teacher logits or probabilities of the same shape, dtype and device
   * @return a new scalar, which the caller closes; of the inputs' dtype, float32 for half-precision
   *     inputs
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit
   */
  public Tensor compute(Tensor student, Tensor teacher) {
    NativeLibrary.load();
    try (Tensor unweighted = new Tensor()) {
      return computeNative(student, teacher, unweighted);
    }
  }

  /**
   * Computes the loss of one batch, in which each sample has a weight. Gradients are those of
   * {@link #compute(Tensor, Tensor)}; none flow to the weights. A NaN of a sample of weight 0 does
   * not count.
   *
   * @param student logits [B, classes], floating point, any strides
   * @param teacher logits or probabilities of the same shape, dtype and device
   * @param weight [B], how much each sample counts, at least 0 and finite, of any real dtype or
   *     bool, on the same device; if all are 0, the loss is 0
   * @return a new scalar, which the caller closes; of the inputs' dtype, float32 for half-precision
   *     inputs
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit or a weight is out of range
   */
  public Tensor compute(Tensor student, Tensor teacher, Tensor weight) {
    return computeNative(student, teacher, Arguments.tensor(weight, COMPUTE, "weight"));
  }

  private Tensor computeNative(Tensor student, Tensor teacher, Tensor weight) {
    Arguments.tensor(student, COMPUTE, "student");
    Arguments.tensor(teacher, COMPUTE, "teacher");
    NativeLibrary.load();
    try {
      return retort.kd_loss(student, teacher, temperature, weight, target.nativeTarget);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  @Override
  public NativeCriterionOptions nativeOptions() {
    NativeLibrary.load();
    return new NativeKdOptions().temperature(temperature).target(target.nativeTarget);
  }
}
