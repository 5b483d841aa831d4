package org.retort.losses;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.LongArrayRef;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.retort.bindings.NativeFspOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeFspPooling;
import org.retort.bindings.global.retort.NativeFspReduction;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeCriteria;
import org.retort.internal.NativeEnums;
import org.retort.internal.NativeLibrary;
import org.retort.internal.TensorLists;

/**
 * Flow of solution procedure: compares how the features of one layer correlate with those of the
 * next in student and teacher. For each pair of maps
 *
 * <pre>{@code
 * G = F_1 F_2ᵀ / (H W)                                   the FSP matrix [C_1, C_2] of a sample
 * loss = mean over B, C_1, C_2 of (G_student − G_teacher)²
 * }</pre>
 *
 * <p>where F is a map as a matrix [C, H W]; other {@link Reduction}s use sums. If the two maps of a
 * pair differ in size, both are first pooled down to the smaller height and the smaller width. No
 * loss is ever negative; maps with the same FSP matrices give 0.
 *
 * <p>As a term of a training step, it is the sum of the losses of its pairs. It takes two or more
 * taps, whose maps have the same number of channels in teacher and student, or any number with
 * {@link #withAdaptChannels}.
 *
 * <p>Source: Yim, Joo, Bae, Kim: A Gift from Knowledge Distillation: Fast Optimization, Network
 * Minimization and Transfer Learning, CVPR 2017. By default, the values are those of RepDistiller's
 * {@code distiller_zoo/FSP.py}, which handles square maps only. Those of the paper come with {@link
 * Pooling#MAX} and {@link Reduction#PAPER}, those of torchdistill with {@link Pooling#MAX} and
 * {@link Reduction#TORCHDISTILL}.
 *
 * @param pairs the pairs of maps to compare; empty for the pairs of consecutive maps
 * @param pooling how the larger map of a pair is pooled to the size of the smaller
 * @param reduction how the difference of two FSP matrices is reduced to a scalar
 * @param adaptChannels as a term of a training step, whether each student map whose number of
 *     channels differs from the teacher's first passes through a 1×1 convolution; see {@link
 *     #withAdaptChannels}
 */
public record FspLoss(List<Pair> pairs, Pooling pooling, Reduction reduction, boolean adaptChannels)
    implements DistillationLoss {
  /**
   * A pair of maps, by their positions in the list or among the taps.
   *
   * @param first at least 0
   * @param second at least 0
   */
  public record Pair(int first, int second) {
    /**
     * Creates a pair.
     *
     * @param first at least 0
     * @param second at least 0
     * @throws IllegalArgumentException if a position is negative
     */
    public Pair {
      Arguments.atLeast(first, 0, "FspLoss.Pair", "first");
      Arguments.atLeast(second, 0, "FspLoss.Pair", "second");
    }
  }

  /** How the larger map of a pair is pooled to the size of the smaller. */
  public enum Pooling {
    /** Adaptive average pooling, as in RepDistiller. */
    AVERAGE,
    /** Adaptive maximum pooling, as in the paper and torchdistill. */
    MAX
  }

  /** How the difference D = G_student − G_teacher of a pair is reduced to a scalar. */
  public enum Reduction {
    /** mean over B, C_1, C_2 of D², as in RepDistiller. */
    MEAN,
    /** 1/B Σ over B, C_1, C_2 of D², as in the paper. */
    PAPER,
    /**
     * 1/B Σ over B, C_2 of the length of D's column, √(Σ over C_1 of D²), as in torchdistill. The
     * gradient of a zero column is zero.
     */
    TORCHDISTILL
  }

  static {
    NativeCriteria.register(FspLoss.class, FspLoss::nativeOptions);
  }

  private static final String COMPUTE = "FspLoss.compute";
  private static final String MATRIX = "FspLoss.matrix";

  /**
   * Creates a loss.
   *
   * @param pairs the pairs of maps; empty for the pairs of consecutive maps
   * @param pooling average or maximum
   * @param reduction as in RepDistiller, the paper or torchdistill
   * @param adaptChannels whether convolutions adapt the student's maps to the teacher's channels
   * @throws IllegalArgumentException if an argument or a pair is null
   */
  public FspLoss {
    pairs = Arguments.list(pairs, "FspLoss", "pairs");
    Arguments.notNull(pooling, "FspLoss", "pooling");
    Arguments.notNull(reduction, "FspLoss", "reduction");
  }

  /**
   * Returns the loss for the pairs of consecutive maps: the first with the second, the second with
   * the third, and so on.
   *
   * @return the loss
   */
  public static FspLoss consecutive() {
    return new FspLoss(List.of(), Pooling.AVERAGE, Reduction.MEAN, false);
  }

  /**
   * Returns the loss for given pairs of maps, for example the first and the last of each stage, as
   * in the paper.
   *
   * @param pairs at least one
   * @return the loss
   * @throws IllegalArgumentException if there is no pair or one is null
   */
  public static FspLoss ofPairs(Pair... pairs) {
    String function = "FspLoss.ofPairs";
    List<Pair> all = Arguments.list(pairs, function, "pairs");
    check(!all.isEmpty(), "%s: pairs must be at least one (got none)", function);
    return new FspLoss(all, Pooling.AVERAGE, Reduction.MEAN, false);
  }

  /**
   * Sets the pairs of maps to compare.
   *
   * @param pairs the pairs; empty for the pairs of consecutive maps
   * @return a changed copy
   * @throws IllegalArgumentException if the list or a pair is null
   */
  public FspLoss withPairs(List<Pair> pairs) {
    return new FspLoss(pairs, pooling, reduction, adaptChannels);
  }

  /**
   * Sets how the larger map of a pair is pooled to the size of the smaller; average pooling by
   * default.
   *
   * @param pooling average or maximum
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public FspLoss withPooling(Pooling pooling) {
    return new FspLoss(pairs, pooling, reduction, adaptChannels);
  }

  /**
   * Sets how the difference of two FSP matrices is reduced to a scalar; the mean of squares by
   * default.
   *
   * @param reduction as in RepDistiller, the paper or torchdistill
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public FspLoss withReduction(Reduction reduction) {
    return new FspLoss(pairs, pooling, reduction, adaptChannels);
  }

  /**
   * Sets whether, as a term of a training step, each student map whose number of channels differs
   * from the teacher's first passes through a 1×1 convolution, which is trained with the student
   * but not part of it; false by default. In {@link org.retort.train.TrainingStep#state()}, the
   * parameters for tap I are named {@code adapters.I.weight} and {@code adapters.I.bias}. No public
   * code for images has this; TextBrewer's {@code proj} does the same for sequences. {@link
   * #compute} uses no convolutions.
   *
   * @param adaptChannels whether it does
   * @return a changed copy
   */
  public FspLoss withAdaptChannels(boolean adaptChannels) {
    return new FspLoss(pairs, pooling, reduction, adaptChannels);
  }

  /**
   * Computes the losses of one batch. Gradients flow to the student's maps, and to those of the
   * teacher's that require them; they are computed together with the losses and can't be
   * differentiated again.
   *
   * @param student n ≥ 2 maps [B, C_i, H_i, W_i], floating point, any strides
   * @param teacher the same number of maps, with the same batch, channels, dtype and device;
   *     heights and widths may differ
   * @return the losses of the pairs, new scalars, which the caller closes; of the inputs' dtype,
   *     float32 for half-precision inputs
   * @throws IllegalArgumentException if a list or a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if there are fewer than two maps, they don't fit, or a pair
   *     refers to a map that does not exist
   */
  public List<Tensor> compute(List<Tensor> student, List<Tensor> teacher) {
    return Native.call(
        () -> {
          try (TensorVector students = TensorLists.toVector(student, COMPUTE, "student");
              TensorVector teachers = TensorLists.toVector(teacher, COMPUTE, "teacher");
              LongVector places = places();
              LongArrayRef reference = new LongArrayRef(places);
              TensorVector losses =
                  retort.fsp_loss(
                      students,
                      teachers,
                      reference,
                      NativeEnums.of(pooling, NativeFspPooling.class),
                      NativeEnums.of(reduction, NativeFspReduction.class))) {
            return TensorLists.toList(losses);
          }
        });
  }

  /**
   * Computes the FSP matrix of two maps, with average pooling where they differ in size.
   *
   * @param first [B, C_1, H_1, W_1], floating point, any strides
   * @param second [B, C_2, H_2, W_2] of the same dtype and device
   * @return a new tensor, as from {@link #matrix(Tensor, Tensor, Pooling)}
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the maps don't fit
   */
  public static Tensor matrix(Tensor first, Tensor second) {
    return matrix(first, second, Pooling.AVERAGE);
  }

  /**
   * Computes the FSP matrix of two maps. The matrix can be differentiated any number of times.
   *
   * @param first [B, C_1, H_1, W_1], floating point, any strides
   * @param second [B, C_2, H_2, W_2] of the same dtype and device
   * @param pooling how the larger map is pooled to the size of the smaller
   * @return a new tensor [B, C_1, C_2], which the caller closes; of the inputs' dtype, float32 for
   *     half-precision inputs. RepDistiller's is transposed.
   * @throws IllegalArgumentException if an argument is null or a tensor undefined
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the maps don't fit
   */
  public static Tensor matrix(Tensor first, Tensor second, Pooling pooling) {
    Arguments.tensor(first, MATRIX, "first");
    Arguments.tensor(second, MATRIX, "second");
    Arguments.notNull(pooling, MATRIX, "pooling");
    return Native.call(
        () -> retort.fsp_matrix(first, second, NativeEnums.of(pooling, NativeFspPooling.class)));
  }

  NativeFspOptions nativeOptions() {
    NativeLibrary.load();
    try (LongVector places = places()) {
      return new NativeFspOptions()
          .pairs(places)
          .pooling(NativeEnums.of(pooling, NativeFspPooling.class))
          .reduction(NativeEnums.of(reduction, NativeFspReduction.class))
          .adapt_channels(adaptChannels);
    }
  }

  /** Returns the pairs as native code expects them, one after the other. */
  private LongVector places() {
    return new LongVector(
        pairs.stream().flatMapToLong(pair -> LongStream.of(pair.first, pair.second)).toArray());
  }
}
