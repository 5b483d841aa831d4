package org.retort.losses;

import static org.retort.internal.Arguments.check;

import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.retort.bindings.NativeCrdOptions;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeCrdZ;
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
 * with the student and not part of it; a memory of each network's embeddings; and Z, estimated from
 * the first batch and fixed from then on, unless {@linkplain #fixedZ given} or a {@linkplain
 * #movingAverageZ moving average}. It takes one tap of each network, of any shape, which is
 * flattened. Each batch must have indices. The candidates are those that the batch gives, as the
 * reference code's data loaders draw them, and drawn otherwise, as by {@link #classContrast} if the
 * samples' {@linkplain #classes(long...) classes} are given, or by {@link #contrast}. After each
 * step the memories move towards the new embeddings. An embedding shorter than 1e-6 has no
 * direction: it counts as zero and gets no gradient.
 *
 * <p>For data without end there is a {@linkplain #withQueue queue} instead of a memory of the whole
 * data set, as in He et al.: Momentum Contrast, CVPR 2020, arXiv 1911.05722.
 *
 * <p>In {@link org.retort.train.TrainingStep#state()} a term's tensors are named {@code
 * student_embedding.weight}, {@code student_embedding.bias}, {@code teacher_embedding.…}, {@code
 * student_memory.embeddings}, {@code teacher_memory.embeddings}, {@code z_student}, {@code
 * z_teacher}, which are 0 until the first batch unless given, and, with a queue, {@code oldest},
 * the row that is replaced next. The memories take 2 M {@link #dimension()} numbers.
 *
 * <p>Source: Tian, Krishnan, Isola: Contrastive Representation Distillation, ICLR 2020, arXiv
 * 1910.10699. The values are those of RepDistiller's {@code crd/}, whose loss is of shape [1] and
 * which sets Z once, on the first batch.
 */
public final class CrdLoss implements DistillationLoss {
  /** Where a training step has Z from. */
  public enum ZSource {
    /** Estimated from the first batch and fixed from then on, as in all public code. */
    FIRST_BATCH(NativeCrdZ.kFirstBatch),
    /** Given. */
    FIXED(NativeCrdZ.kFixed),
    /**
     * Estimated from every batch, as a moving average that starts with the first, for which the
     * memories' rows are passed once more; CMC's authors advise it (HobbitLong/CMC #23) where one
     * batch says little, as with few dimensions.
     */
    MOVING_AVERAGE(NativeCrdZ.kMovingAverage);

    private final NativeCrdZ nativeZ;

    ZSource(NativeCrdZ nativeZ) {
      this.nativeZ = nativeZ;
    }
  }

  private static final String COMPUTE = "CrdLoss.compute";
  private static final String CLASS_CONTRAST = "CrdLoss.classContrast";
  private static final long NEGATIVES = 16384;
  private static final long DIMENSION = 128;
  private static final double TEMPERATURE = 0.07;
  private static final double MOMENTUM = 0.5;
  private static final double Z_MOMENTUM = 0.99;

  /** What the memories' rows are: samples, of classes if there are any, or a queue; 0 for none. */
  private record Rows(long samples, long queue, long[] classes, boolean relaxed) {}

  /** Z as far as its source needs it. */
  private record Z(ZSource source, double student, double teacher, double momentum) {}

  private final Rows rows;
  private final Z z;
  private final long negatives;
  private final long dimension;
  private final double temperature;
  private final double momentum;

  private CrdLoss(
      Rows rows, Z z, long negatives, long dimension, double temperature, double momentum) {
    this.rows = rows;
    this.z = z;
    this.negatives = negatives;
    this.dimension = dimension;
    this.temperature = temperature;
    this.momentum = momentum;
  }

  private CrdLoss(Rows rows) {
    this(
        rows,
        new Z(ZSource.FIRST_BATCH, 0, 0, Z_MOMENTUM),
        NEGATIVES,
        DIMENSION,
        TEMPERATURE,
        MOMENTUM);
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
    return new CrdLoss(new Rows(samples, 0, new long[0], false));
  }

  /**
   * The loss for data without end, with the options of {@link #forSamples}. Batches need no
   * indices: their embeddings replace the oldest rows before they are compared, so that the
   * positive is the other network's embedding of this very step, and negatives are the rows before,
   * drawn as by {@link #contrast}. A batch must not be larger than the queue.
   *
   * @param rows M, the number of rows of the queue, at least 2
   * @return the loss
   * @throws IllegalArgumentException if there are fewer than two rows
   */
  public static CrdLoss withQueue(long rows) {
    Arguments.atLeast(rows, 2, "CrdLoss.withQueue", "rows");
    return new CrdLoss(new Rows(0, rows, new long[0], false));
  }

  /**
   * Tells the class of each sample of the data set: negatives are then drawn from other classes
   * only, as in the paper's experiments. By default any other sample may be a negative.
   *
   * @param classes one per sample, any numbers, at least two different ones; copied
   * @return a changed copy
   * @throws IllegalArgumentException if the loss has a queue, or the classes are null, not one per
   *     sample, or all the same
   */
  public CrdLoss classes(long... classes) {
    String function = "CrdLoss.classes";
    Arguments.notNull(classes, function, "classes");
    check(
        rows.queue == 0, "%s: loss must have no queue (got one of %s rows)", function, rows.queue);
    check(
        classes.length == rows.samples,
        "%s: classes must be one for each of the %s samples (got %s)",
        function,
        rows.samples,
        classes.length);
    check(
        LongStream.of(classes).distinct().limit(2).count() == 2,
        "%s: classes must be at least two different ones (got only %s)",
        function,
        classes[0]);
    return with(new Rows(rows.samples, 0, classes.clone(), rows.relaxed));
  }

  /**
   * Lets the positive be any sample of the same class, as RepDistiller's {@code relax} mode; by
   * default it is the sample itself, as in its {@code exact} mode.
   *
   * @return a changed copy
   * @throws IllegalArgumentException if the samples' {@linkplain #classes(long...) classes} were
   *     not given before
   */
  public CrdLoss relaxed() {
    check(rows.classes.length > 0, "CrdLoss.relaxed: classes must be given before (got none)");
    return with(new Rows(rows.samples, 0, rows.classes, true));
  }

  /**
   * Fixes Z; by default it is estimated from the first batch. For embeddings in all directions it
   * is M e^(1 / (2 T² d)), for example 2.219 M with T = 0.07 and d = 128.
   *
   * @param student Z of the student's side, positive and finite
   * @param teacher Z of the teacher's side, positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if a number is out of range
   */
  public CrdLoss fixedZ(double student, double teacher) {
    Arguments.positive(student, "CrdLoss.fixedZ", "student");
    Arguments.positive(teacher, "CrdLoss.fixedZ", "teacher");
    return with(new Z(ZSource.FIXED, student, teacher, z.momentum));
  }

  /**
   * Estimates Z from every batch, as a moving average that starts with the first; by default it is
   * estimated from the first batch alone. See {@link ZSource#MOVING_AVERAGE}.
   *
   * @param momentum how much of the old Z stays, at least 0 and below 1; CMC uses 0.99
   * @return a changed copy
   * @throws IllegalArgumentException if the momentum is out of range
   */
  public CrdLoss movingAverageZ(double momentum) {
    checkMomentum("CrdLoss.movingAverageZ", momentum);
    return with(new Z(ZSource.MOVING_AVERAGE, 0, 0, momentum));
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
    return new CrdLoss(rows, z, negatives, dimension, temperature, momentum);
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
    return new CrdLoss(rows, z, negatives, dimension, temperature, momentum);
  }

  /**
   * Sets the temperature; 0.07 by default, the paper's value. Below about 0.012, Z may exceed the
   * range of float32: the first step then fails.
   *
   * @param temperature T, positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the temperature is out of range
   */
  public CrdLoss temperature(double temperature) {
    Arguments.positive(temperature, "CrdLoss.temperature", "temperature");
    return new CrdLoss(rows, z, negatives, dimension, temperature, momentum);
  }

  /**
   * Sets how much of a memory's row stays when it moves towards the new embedding; 0.5 by default,
   * the paper's value. A queue has no use for it.
   *
   * @param momentum at least 0 and below 1
   * @return a changed copy
   * @throws IllegalArgumentException if the momentum is out of range
   */
  public CrdLoss momentum(double momentum) {
    checkMomentum("CrdLoss.momentum", momentum);
    return new CrdLoss(rows, z, negatives, dimension, temperature, momentum);
  }

  private CrdLoss with(Rows rows) {
    return new CrdLoss(rows, z, negatives, dimension, temperature, momentum);
  }

  private CrdLoss with(Z z) {
    return new CrdLoss(rows, z, negatives, dimension, temperature, momentum);
  }

  private static void checkMomentum(String function, double momentum) {
    check(
        momentum >= 0 && momentum < 1,
        "%s: momentum must be at least 0 and below 1 (got %s)",
        function,
        momentum);
  }

  /**
   * The number of samples of the data set.
   *
   * @return M; 0 with a queue
   */
  public long samples() {
    return rows.samples;
  }

  /**
   * The number of rows of the queue.
   *
   * @return M; 0 with a memory of the whole data set
   */
  public long queue() {
    return rows.queue;
  }

  /**
   * The class of each sample.
   *
   * @return a copy; empty if any other sample may be a negative
   */
  public long[] classes() {
    return rows.classes.clone();
  }

  /**
   * Whether the positive may be any sample of the same class.
   *
   * @return false by default
   */
  public boolean isRelaxed() {
    return rows.relaxed;
  }

  /**
   * Where a training step has Z from.
   *
   * @return the first batch by default
   */
  public ZSource zSource() {
    return z.source;
  }

  /**
   * Z of the student's side.
   *
   * @return Z; 0 unless fixed
   */
  public double zStudent() {
    return z.student;
  }

  /**
   * Z of the teacher's side.
   *
   * @return Z; 0 unless fixed
   */
  public double zTeacher() {
    return z.teacher;
  }

  /**
   * How much of the old Z stays in a moving average.
   *
   * @return the momentum; of no use to other sources
   */
  public double zMomentum() {
    return z.momentum;
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

  /**
   * Draws the candidates of a batch by class: negatives uniformly from the rows of all other
   * classes, none of them twice unless there are fewer than K. LibTorch's default generator
   * decides; the number of threads does not. As the {@code exact} and {@code relax} modes of
   * RepDistiller's, mdistiller's and torchdistill's data loaders.
   *
   * @param indices int64 [B], the samples' own rows
   * @param classes int64 [M], the class of each of the memory's rows, any numbers, at least two
   *     different ones; on the same device
   * @param negatives K, at least 1
   * @param relaxed whether the positive may be any row of the class; otherwise it is the sample's
   *     own
   * @return a new tensor, int64 [B, K+1], which the caller closes
   * @throws IllegalArgumentException if a tensor is null or undefined or the number is out of range
   * @throws IllegalStateException if a tensor was closed
   * @throws org.retort.RetortException if the indices are not int64 [B] or not below the number of
   *     rows, or the classes are not int64 [M] or all the same
   */
  public static Tensor classContrast(
      Tensor indices, Tensor classes, long negatives, boolean relaxed) {
    Arguments.tensor(indices, CLASS_CONTRAST, "indices");
    Arguments.tensor(classes, CLASS_CONTRAST, "classes");
    Arguments.atLeast(negatives, 1, CLASS_CONTRAST, "negatives");
    NativeLibrary.load();
    try (GeneratorOptional generator = new GeneratorOptional()) {
      return retort.crd_class_contrast(indices, classes, negatives, relaxed, generator);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  @Override
  @SuppressWarnings("try") // the scope works by being open
  public NativeCriterionOptions nativeOptions() {
    NativeLibrary.load();
    NativeCrdOptions options =
        new NativeCrdOptions()
            .samples(rows.samples)
            .queue(rows.queue)
            .relaxed(rows.relaxed)
            .negatives(negatives)
            .dimension(dimension)
            .temperature(temperature)
            .momentum(momentum)
            .z(z.source.nativeZ)
            .z_student(z.student)
            .z_teacher(z.teacher)
            .z_momentum(z.momentum);
    if (rows.classes.length > 0) {
      try (PointerScope scope = new PointerScope()) {
        options.classes(Tensor.create(rows.classes));
      }
    }
    return options;
  }
}
