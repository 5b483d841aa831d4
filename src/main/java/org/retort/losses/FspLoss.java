package org.retort.losses;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.NativeFspOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Errors;
import org.retort.internal.NativeLibrary;
import org.retort.internal.TensorLists;

/**
 * Flow of solution procedure: how the features of one layer go with those of the next, compared
 * between student and teacher. For each pair of consecutive maps i, i+1
 *
 * <pre>{@code
 * G = F_i F_{i+1}ᵀ / (H W)                                the FSP matrix [C_i, C_{i+1}] of a sample
 * loss_i = mean over B, C_i, C_{i+1} of (G_student − G_teacher)²
 * }</pre>
 *
 * <p>where F is a map as the matrix [C, H W]. If the two maps of a pair differ in size, both are
 * first averaged down to the smaller height and the smaller width. No loss is ever negative; maps
 * with the same FSP matrices give 0.
 *
 * <p>As a term of a training step it is the sum of the losses of its pairs. It takes two taps or
 * more, maps with as many channels in the teacher as in the student.
 *
 * <p>Source: Yim, Joo, Bae, Kim: A Gift from Knowledge Distillation: Fast Optimization, Network
 * Minimization and Transfer Learning, CVPR 2017. The values are those of RepDistiller's {@code
 * distiller_zoo/FSP.py}, which handles square maps only; the paper sums over the matrix instead of
 * averaging, which is C_i C_{i+1} times as much, and pools by maximum.
 */
public final class FspLoss implements DistillationLoss {
  private static final String COMPUTE = "FspLoss.compute";

  private FspLoss() {}

  /**
   * The loss of the pairs of consecutive taps: the first with the second, the second with the
   * third, and so on.
   *
   * @return the loss
   */
  public static FspLoss consecutive() {
    return new FspLoss();
  }

  /**
   * Computes the losses of one batch. Gradients flow to the student's maps, and to those of the
   * teacher's that require them; they are computed together with the losses, and can't be
   * differentiated again.
   *
   * @param student n ≥ 2 maps [B, C_i, H_i, W_i], floating point, any strides
   * @param teacher as many maps with the same batch, channels, dtype and device; heights and widths
   *     may be others
   * @return the losses of the n − 1 pairs of consecutive maps, new scalars, which the caller
   *     closes; of the inputs' dtype, float32 for half-precision inputs
   * @throws IllegalArgumentException if a list or a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if there are fewer than two maps, or they don't fit
   */
  public static List<Tensor> compute(List<Tensor> student, List<Tensor> teacher) {
    NativeLibrary.load();
    try (TensorVector students = TensorLists.toVector(student, COMPUTE, "student");
        TensorVector teachers = TensorLists.toVector(teacher, COMPUTE, "teacher");
        TensorVector losses = retort.fsp_loss(students, teachers)) {
      return TensorLists.toList(losses);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  @Override
  public NativeCriterionOptions nativeOptions() {
    NativeLibrary.load();
    return new NativeFspOptions();
  }
}
