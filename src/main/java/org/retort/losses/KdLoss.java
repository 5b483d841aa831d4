package org.retort.losses;

import org.bytedeco.pytorch.Tensor;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.NativeKdOptions;
import org.retort.bindings.global.retort;
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
 * independent of the temperature. It compares logits and takes no taps.
 *
 * <p>Source: Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2014, arXiv
 * 1503.02531. The values are those of RepDistiller's {@code distiller_zoo/KD.py}; the paper leaves
 * the batch reduction open.
 */
public final class KdLoss implements DistillationLoss {
  private final double temperature;

  private KdLoss(double temperature) {
    this.temperature = temperature;
  }

  /**
   * The loss at a temperature; RepDistiller uses 4.
   *
   * @param temperature T, positive and finite
   * @return the loss
   * @throws IllegalArgumentException if the temperature is not positive and finite
   */
  public static KdLoss withTemperature(double temperature) {
    Arguments.positive(temperature, "KdLoss.withTemperature", "temperature");
    return new KdLoss(temperature);
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
   * Computes the loss of one batch. Gradients flow to the student, and to the teacher if it
   * requires them; they are computed together with the loss, and can't be differentiated again.
   *
   * @param student logits [B, classes], floating point, any strides
   * @param teacher logits of the same shape, dtype and device
   * @param temperature T, positive and finite
   * @return a new scalar, which the caller closes; of the inputs' dtype, float32 for half-precision
   *     inputs
   * @throws IllegalArgumentException if a tensor is null or undefined or the temperature is not
   *     positive and finite
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit
   */
  public static Tensor compute(Tensor student, Tensor teacher, double temperature) {
    Arguments.tensor(student, "KdLoss.compute", "student");
    Arguments.tensor(teacher, "KdLoss.compute", "teacher");
    Arguments.positive(temperature, "KdLoss.compute", "temperature");
    NativeLibrary.load();
    try {
      return retort.kd_loss(student, teacher, temperature);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  @Override
  public NativeCriterionOptions nativeOptions() {
    NativeLibrary.load();
    return new NativeKdOptions().temperature(temperature);
  }
}
