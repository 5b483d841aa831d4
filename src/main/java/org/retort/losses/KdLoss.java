package org.retort.losses;

import org.bytedeco.pytorch.Tensor;
import org.retort.bindings.NativeKdOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeKdTarget;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeCriteria;
import org.retort.internal.NativeEnums;
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
 * independent of the temperature. With weights w_b, the average is Σ_b w_b KL_b / Σ_b w_b: weights
 * of 0 and 1 act as a mask, and masked samples do not affect the loss. With {@link
 * Target#PROBABILITIES}, the teacher's tensor replaces its softmax.
 *
 * <p>As a term of a training step, it compares logits, takes no taps, and uses the weights of the
 * batch.
 *
 * <p>Source: Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2014, arXiv
 * 1503.02531. The values are those of RepDistiller's {@code distiller_zoo/KD.py}, which has no
 * weights; the paper leaves the batch reduction open. {@link Target#STANDARDISED_LOGITS} follows
 * Sun, Ren, Li, Wang, Cao: Logit Standardization in Knowledge Distillation, CVPR 2024, arXiv
 * 2403.01427, whose code weights the loss by 9 at T = 2.
 *
 * @param temperature T, positive and finite; RepDistiller uses 4
 * @param target what the teacher's tensor holds; logits by default
 */
public record KdLoss(double temperature, Target target) implements DistillationLoss {
  /** What the teacher's tensor holds. */
  public enum Target {
    /** Logits, which are softened like the student's. */
    LOGITS,
    /**
     * Probabilities, which are used as they are: at least 0 and summing to 1 for each sample, which
     * is not checked. In a training step, for a teacher that ends with a softmax.
     */
    PROBABILITIES,
    /**
     * Logits; those of both networks are standardised before they are softened: each row x is
     * replaced by (x − mean x) / (deviation x + 1e-7), with the deviation over classes − 1. The
     * student then has to match the teacher's order of the classes rather than the range of its
     * logits.
     */
    STANDARDISED_LOGITS
  }

  static {
    NativeCriteria.register(KdLoss.class, KdLoss::nativeOptions);
  }

  private static final String COMPUTE = "KdLoss.compute";

  /**
   * Creates a loss.
   *
   * @param temperature T, positive and finite
   * @param target what the teacher's tensor holds
   * @throws IllegalArgumentException if the temperature is out of range or the target is null
   */
  public KdLoss {
    Arguments.positive(temperature, "KdLoss", "temperature");
    Arguments.notNull(target, "KdLoss", "target");
  }

  /**
   * Returns the loss with the teacher's logits.
   *
   * @param temperature T, positive and finite
   * @return the loss
   * @throws IllegalArgumentException if the temperature is out of range
   */
  public static KdLoss of(double temperature) {
    return new KdLoss(temperature, Target.LOGITS);
  }

  /**
   * Sets the temperature.
   *
   * @param temperature T, positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the temperature is out of range
   */
  public KdLoss withTemperature(double temperature) {
    return new KdLoss(temperature, target);
  }

  /**
   * Sets what the teacher's tensor holds.
   *
   * @param target logits, probabilities or standardised logits
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public KdLoss withTarget(Target target) {
    return new KdLoss(temperature, target);
  }

  /**
   * Computes the loss of one batch, in which all samples count alike. Gradients flow to the
   * student, and to the teacher if it requires them; they are computed together with the loss and
   * can't be differentiated again. A teacher's logit of −∞ means a class of probability 0. NaNs
   * propagate.
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
   * Computes the loss of one batch, in which each sample has a weight. Gradients flow as in {@link
   * #compute(Tensor, Tensor)}; none flow to the weights. A NaN in a sample of weight 0 is ignored.
   *
   * @param student logits [B, classes], floating point, any strides
   * @param teacher logits or probabilities of the same shape, dtype and device
   * @param weight [B], the weight of each sample, at least 0 and finite, of any real dtype or bool,
   *     on the same device; if all are 0, the loss is 0
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
    return Native.call(
        () ->
            retort.kd_loss(
                student,
                teacher,
                temperature,
                weight,
                NativeEnums.of(target, NativeKdTarget.class)));
  }

  NativeKdOptions nativeOptions() {
    NativeLibrary.load();
    return new NativeKdOptions()
        .temperature(temperature)
        .target(NativeEnums.of(target, NativeKdTarget.class));
  }
}
