package org.retort.losses;

import static org.retort.internal.Arguments.check;

import org.bytedeco.pytorch.Tensor;
import org.retort.bindings.NativeCrdOptions;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NativeLibrary;

/**
 * Contrastive representation distillation: an embedding of one network must tell the other
 * network's embedding of the same sample (the positive) from those of K other samples (the
 * negatives), which a memory of M rows holds. With
 *
 * <pre>{@code
 * P_ij = exp(v_i · m_ij / T) / Z       for anchor v_i and its candidate rows m_i0 (positive), m_i1 … m_iK
 * c    = K / M + 1e-7
 * side = −1/B Σ_i [ log(P_i0 / (P_i0 + c)) + Σ_k log((K / M) / (P_ik + c)) ]
 * loss = side of the student's embeddings against the teacher memory, with the student's Z
 *      + side of the teacher's embeddings against the student memory, with the teacher's Z
 * }</pre>
 *
 * <p>The loss is never negative. It is computed from logarithms of P, which neither overflow nor
 * vanish.
 *
 * <p>As a term of a training step it has everything it needs: an embedding of each network, a
 * linear layer to {@link #dimension()} numbers followed by division by the length, both trained
 * with the student and not part of it; a memory of each network's embeddings; Z, estimated from the
 * first batch and fixed from then on. It takes one tap of each network, of any shape, which is
 * flattened. Each batch must have indices. The candidates are those that the batch gives, as the
 * reference code's data loaders draw them, and drawn as by {@link #contrast} otherwise. After each
 * step the memories move towards the new embeddings. An embedding shorter than 1e-6 has no
 * direction: it counts as zero and gets no gradient.
 *
 * <p>In {@link org.retort.train.TrainingStep#state()} a term's tensors are named {@code
 * student_embedding.weight}, {@code student_embedding.bias}, {@code teacher_embedding.…}, {@code
 * student_memory.embeddings}, {@code teacher_memory.embeddings}, and {@code z_student}, {@code
 * z_teacher}, which are 0 until the first batch. The memories take 2 M {@link #dimension()}
 * numbers.
 *
 * <p>Source: Tian, Krishnan, Isola: Contrastive Representation Distillation, ICLR 2020, arXiv
 * 1910.10699. The values are those of RepDistiller's {@code crd/}, whose loss is of shape [1] and
 * which sets Z once, on the first batch.
 */
public final class CrdLoss implements DistillationLoss {
  private static final String COMPUTE = "CrdLoss.compute";
  private static final long NEGATIVES = 16384;
  private static final long DIMENSION = 128;
  private static final double TEMPERATURE = 0.07;
  private static final double MOMENTUM = 0.5;

  private final long samples;
  private final long negatives;
  private final long dimension;
  private final double temperature;
  private final double momentum;

  private CrdLoss(
      long samples, long negatives, long dimension, double temperature, double momentum) {
    this.samples = samples;
    this.negatives = negatives;
    this.dimension = dimension;
    this.temperature = temperature;
    this.momentum = momentum;
  }

  /**
   * The loss for a data set, with RepDistiller's options for CIFAR-100 and ImageNet: 16384
   * negatives, 128 dimensions, temperature 0.07, momentum 0.5.
   *
   * @param samples M, the number of samples of the data set, at least 2
   * @return the loss
   * @throws IllegalArgumentException if there are fewer than two samples
   */
  public static CrdLoss forSamples(long samples) {
    Arguments.atLeast(samples, 2, "CrdLoss.forSamples", "samples");
    return new CrdLoss(samples, NEGATIVES, DIMENSION, TEMPERATURE, MOMENTUM);
  }

  /**
   * Sets the number of negatives that are drawn for each sample of a batch that does not give its
   * own; 16384 by default.
   *
   * @param negatives K, at least 1
   * @return a changed copy
   * @throws IllegalArgumentException if the number is out of range
   */
  public CrdLoss negatives(long negatives) {
    Arguments.atLeast(negatives, 1, "CrdLoss.negatives", "negatives");
    return new CrdLoss(samples, negatives, dimension, temperature, momentum);
  }

  /**
   * Sets the length of the embeddings; 128 by default.
   *
   * @param dimension at least 1
   * @return a changed copy
   * @throws IllegalArgumentException if the dimension is out of range
   */
  public CrdLoss dimension(long dimension) {
    Arguments.atLeast(dimension, 1, "CrdLoss.dimension", "dimension");
    return new CrdLoss(samples, negatives, dimension, temperature, momentum);
  }

  /**
   * Sets the temperature; 0.07 by default, the paper's value.
   *
   * @param temperature T, positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the temperature is out of range
   */
  public CrdLoss temperature(double temperature) {
    Arguments.positive(temperature, "CrdLoss.temperature", "temperature");
    return new CrdLoss(samples, negatives, dimension, temperature, momentum);
  }

  /**
   * Sets how much of a memory's row stays when it moves towards the new embedding; 0.5 by default,
   * the paper's value.
   *
   * @param momentum at least 0 and below 1
   * @return a changed copy
   * @throws IllegalArgumentException if the momentum is out of range
   */
  public CrdLoss momentum(double momentum) {
    check(
        momentum >= 0 && momentum < 1,
        "CrdLoss.momentum: momentum must be at least 0 and below 1 (got %s)",
        momentum);
    return new CrdLoss(samples, negatives, dimension, temperature, momentum);
  }

  /**
   * The number of samples of the data set.
   *
   * @return M
   */
  public long samples() {
    return samples;
  }

  /**
   * The number of negatives that are drawn for each sample of a batch that does not give its own.
   *
   * @return K
   */
  public long negatives() {
    return negatives;
  }

  /**
   * The length of the embeddings.
   *
   * @return d
   */
  public long dimension() {
    return dimension;
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
   * How much of a memory's row stays when it moves towards the new embedding.
   *
   * @return the momentum
   */
  public double momentum() {
    return momentum;
  }

  /**
   * Computes the loss of one batch. Gradients flow to the student, and to the teacher if it
   * requires them, never to the memories; they are computed together with the loss, and can't be
   * differentiated again.
   *
   * @param student [B, d], the student's embeddings, rows of length 1, which is not checked;
   *     floating point, any strides
   * @param teacher the teacher's embeddings, of the same shape, dtype and device
   * @param studentMemory [M, d], float64 for float64 embeddings, float32 for all others
   * @param teacherMemory of the same shape, dtype and device
   * @param contrast int64 [B, K+1], rows of the memories, the positive first, K ≥ 1; rows may
   *     repeat
   * @param zStudent Z of the student's side, positive and finite, see {@link #z}
   * @param zTeacher Z of the teacher's side, positive and finite
   * @param temperature T, positive and finite
   * @return a new scalar of the memories' dtype, which the caller closes
   * @throws IllegalArgumentException if a tensor is null or undefined or a number is out of range
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit or a row is out of range
   */
  public static Tensor compute(
      Tensor student,
      Tensor teacher,
      Tensor studentMemory,
      Tensor teacherMemory,
      Tensor contrast,
      double zStudent,
      double zTeacher,
      double temperature) {
    Arguments.tensor(student, COMPUTE, "student");
    Arguments.tensor(teacher, COMPUTE, "teacher");
    Arguments.tensor(studentMemory, COMPUTE, "student memory");
    Arguments.tensor(teacherMemory, COMPUTE, "teacher memory");
    Arguments.tensor(contrast, COMPUTE, "contrast");
    Arguments.positive(zStudent, COMPUTE, "z student");
    Arguments.positive(zTeacher, COMPUTE, "z teacher");
    Arguments.positive(temperature, COMPUTE, "temperature");
    NativeLibrary.load();
    try {
      return retort.crd_loss(
          student,
          teacher,
          studentMemory,
          teacherMemory,
          contrast,
          zStudent,
          zTeacher,
          temperature);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  /**
   * Estimates the constant Z of one side of the loss from a batch:
   *
   * <pre>{@code
   * Z = M · mean over B, K+1 of exp(v_i · m_ij / T)
   * }</pre>
   *
   * @param embeddings [B, d] of one network
   * @param memory [M, d] of the other
   * @param contrast int64 [B, K+1], rows of the memory
   * @param temperature T, positive and finite
   * @return Z; infinite at temperatures below about 0.0015
   * @throws IllegalArgumentException if a tensor is null or undefined or the temperature is out of
   *     range
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the tensors don't fit or a row is out of range
   */
  public static double z(Tensor embeddings, Tensor memory, Tensor contrast, double temperature) {
    Arguments.tensor(embeddings, "CrdLoss.z", "embeddings");
    Arguments.tensor(memory, "CrdLoss.z", "memory");
    Arguments.tensor(contrast, "CrdLoss.z", "contrast");
    Arguments.positive(temperature, "CrdLoss.z", "temperature");
    NativeLibrary.load();
    try {
      return retort.crd_z(embeddings, memory, contrast, temperature);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  /**
   * Draws the candidates of a batch: of each sample its own row, then negatives drawn uniformly,
   * with repetition, from all other rows. LibTorch's default generator decides; the number of
   * threads does not.
   *
   * @param indices int64 [B], the samples' own rows
   * @param rows M of the memory, at least 2
   * @param negatives K, at least 1
   * @return a new tensor, int64 [B, K+1], which the caller closes
   * @throws IllegalArgumentException if the tensor is null or undefined or a number is out of range
   * @throws IllegalStateException if the tensor was closed
   * @throws org.retort.RetortException if the indices are not int64 [B] or not below the number of
   *     rows
   */
  public static Tensor contrast(Tensor indices, long rows, long negatives) {
    Arguments.tensor(indices, "CrdLoss.contrast", "indices");
    Arguments.atLeast(rows, 2, "CrdLoss.contrast", "rows");
    Arguments.atLeast(negatives, 1, "CrdLoss.contrast", "negatives");
    NativeLibrary.load();
    try {
      return retort.crd_contrast(indices, rows, negatives);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  @Override
  public NativeCriterionOptions nativeOptions() {
    NativeLibrary.load();
    return new NativeCrdOptions()
        .samples(samples)
        .negatives(negatives)
        .dimension(dimension)
        .temperature(temperature)
        .momentum(momentum);
  }
}
