package org.retort.losses;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.retort.bindings.NativeCrdOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeCrdMemoryDtype;
import org.retort.bindings.global.retort.NativeCrdZ;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeCriteria;
import org.retort.internal.NativeEnums;
import org.retort.internal.NativeLibrary;

/**
 * Contrastive representation distillation: an embedding of one network must identify the other
 * network's embedding of the same sample (the positive) among those of K other samples (the
 * negatives), which are held in a memory of M rows. With
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
 * underflow.
 *
 * <p>As a term of a training step, it holds everything it needs: an embedding head for each
 * network, a linear layer to {@link #dimension()} features followed by L2 normalisation, trained
 * with the student but not part of it; a memory of each network's embeddings; and Z, estimated from
 * the first batch and fixed from then on, unless {@linkplain Z#fixed given} or a {@linkplain
 * Z#movingAverage moving average}. It takes one tap of each network, of any shape, which is
 * flattened. Each batch must have indices. The candidates are those of the batch if it has any, as
 * the reference code's data loaders draw them; otherwise they are drawn, as by {@link
 * #classContrast} if the samples' {@linkplain #withClasses classes} are given, or by {@link
 * #contrast}. After each step, the memories move towards the new embeddings. An embedding with a
 * norm below 1e-6 has no direction: it is treated as zero and gets no gradient.
 *
 * <p>For streaming data, a {@linkplain #forQueue queue} replaces the memory of the whole data set,
 * as in He et al.: Momentum Contrast, CVPR 2020, arXiv 1911.05722.
 *
 * <p>In {@link org.retort.train.TrainingStep#state()}, a term's tensors are named {@code
 * student_embedding.weight}, {@code student_embedding.bias}, {@code teacher_embedding.…}, {@code
 * student_memory.embeddings}, {@code teacher_memory.embeddings}, {@code z_student}, {@code
 * z_teacher}, which are 0 until the first batch unless given, and, with a queue, {@code oldest},
 * the next row to be replaced. The memories take 2 M {@link #dimension()} numbers of {@link
 * #memoryDtype()}.
 *
 * <p>Source: Tian, Krishnan, Isola: Contrastive Representation Distillation, ICLR 2020, arXiv
 * 1910.10699. The values are those of RepDistiller's {@code crd/}, whose loss is of shape [1] and
 * which sets Z once, on the first batch.
 *
 * @param samples M, the number of samples in the data set; 0 with a queue
 * @param queue M, the number of rows in the queue; 0 with a memory of the whole data set
 * @param classes the class of each sample, at least two different ones; empty if any other sample
 *     may be a negative
 * @param relaxed whether the positive may be any sample of the same class; false by default
 * @param z where a training step gets Z from; the first batch by default
 * @param negatives K, the number of negatives drawn for each sample of a batch that does not supply
 *     its own, at least 1; 16384 by default
 * @param dimension d, the length of the embeddings, at least 1; 128 by default
 * @param temperature T, positive and finite; 0.07 by default
 * @param momentum the weight of a memory row's old value when it moves towards the new embedding,
 *     at least 0 and below 1; 0.5 by default
 * @param memoryDtype how the memories are stored; float32 by default
 */
public record CrdLoss(
    long samples,
    long queue,
    List<Long> classes,
    boolean relaxed,
    Z z,
    long negatives,
    long dimension,
    double temperature,
    double momentum,
    MemoryDtype memoryDtype)
    implements DistillationLoss {
  /** How the memories are stored. */
  public enum MemoryDtype {
    /** Without rounding. */
    FLOAT32,
    /**
     * Half the memory, with half the traffic. Computations on rows use float32; rounding rotates a
     * row by less than 0.23 degrees. A step of a float64 student keeps its memories in float64.
     */
    BFLOAT16
  }

  /** Where a training step gets Z from. */
  public enum ZSource {
    /** Estimated from the first batch and fixed from then on, as in all public code. */
    FIRST_BATCH,
    /** Given. */
    FIXED,
    /**
     * Estimated from every batch, as a moving average that starts with the first, at the cost of
     * one more pass over the memories' rows; CMC's authors recommend it (HobbitLong/CMC #23) where
     * the estimate of one batch is noisy, as with few dimensions.
     */
    MOVING_AVERAGE
  }

  /**
   * The source of the normalisation constants of the loss's two sides, with their values if fixed.
   *
   * @param source where a training step gets them from
   * @param student Z of the student's side; 0 unless fixed
   * @param teacher Z of the teacher's side; 0 unless fixed
   * @param momentum the weight of the old Z in a moving average; unused by other sources
   */
  public record Z(ZSource source, double student, double teacher, double momentum) {
    /**
     * Creates a Z.
     *
     * @param source where a training step gets it from
     * @param student positive and finite if fixed, otherwise 0
     * @param teacher positive and finite if fixed, otherwise 0
     * @param momentum at least 0 and below 1
     * @throws IllegalArgumentException if the source is null or a number is out of range
     */
    public Z {
      Arguments.notNull(source, "CrdLoss.Z", "source");
      if (source == ZSource.FIXED) {
        Arguments.positive(student, "CrdLoss.Z", "student");
        Arguments.positive(teacher, "CrdLoss.Z", "teacher");
      } else {
        check(
            student == 0 && teacher == 0,
            "CrdLoss.Z: student and teacher must be 0 unless fixed (got %s and %s)",
            student,
            teacher);
      }
      checkMomentum("CrdLoss.Z", momentum);
    }

    /**
     * Returns a Z that is estimated from the first batch and fixed from then on.
     *
     * @return the Z
     */
    public static Z firstBatch() {
      return new Z(ZSource.FIRST_BATCH, 0, 0, Z_MOMENTUM);
    }

    /**
     * Returns a Z with given values. For embeddings spread in all directions, it is M e^(1 / (2 T²
     * d)), for example 2.219 M with T = 0.07 and d = 128.
     *
     * @param student Z of the student's side, positive and finite
     * @param teacher Z of the teacher's side, positive and finite
     * @return the Z
     * @throws IllegalArgumentException if a number is out of range
     */
    public static Z fixed(double student, double teacher) {
      return new Z(ZSource.FIXED, student, teacher, Z_MOMENTUM);
    }

    /**
     * Returns a Z that is estimated from every batch, as a moving average that starts with the
     * first; see {@link ZSource#MOVING_AVERAGE}.
     *
     * @param momentum the weight of the old Z, at least 0 and below 1; CMC uses 0.99
     * @return the Z
     * @throws IllegalArgumentException if the momentum is out of range
     */
    public static Z movingAverage(double momentum) {
      return new Z(ZSource.MOVING_AVERAGE, 0, 0, momentum);
    }
  }

  static {
    NativeCriteria.register(CrdLoss.class, CrdLoss::nativeOptions);
  }

  private static final String NAME = "CrdLoss";
  private static final String COMPUTE = "CrdLoss.compute";
  private static final String CLASS_CONTRAST = "CrdLoss.classContrast";
  private static final long NEGATIVES = 16384;
  private static final long DIMENSION = 128;
  private static final double TEMPERATURE = 0.07;
  private static final double MOMENTUM = 0.5;
  private static final double Z_MOMENTUM = 0.99;

  /**
   * Creates a loss.
   *
   * @param samples at least 2; 0 with a queue
   * @param queue at least 2; 0 with a memory of the whole data set
   * @param classes one per sample, at least two different ones; empty if any other sample may be a
   *     negative
   * @param relaxed whether the positive may be any sample of the same class, which requires classes
   * @param z where a training step gets Z from
   * @param negatives between 1 and 2147483647
   * @param dimension at least 1
   * @param temperature positive and finite
   * @param momentum at least 0 and below 1
   * @param memoryDtype how the memories are stored
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public CrdLoss {
    check(
        samples == 0 ? queue >= 2 : samples >= 2 && queue == 0,
        "%s: samples or queue must be at least 2, and the other 0 (got %s and %s)",
        NAME,
        samples,
        queue);
    classes = Arguments.list(classes, NAME, "classes");
    checkClasses(classes, samples);
    check(!relaxed || !classes.isEmpty(), "%s: classes must be given if relaxed (got none)", NAME);
    Arguments.notNull(z, NAME, "z");
    Arguments.atLeast(negatives, 1, NAME, "negatives");
    Arguments.atLeast(dimension, 1, NAME, "dimension");
    Arguments.positive(temperature, NAME, "temperature");
    checkMomentum(NAME, momentum);
    Arguments.notNull(memoryDtype, NAME, "memory dtype");
  }

  private static CrdLoss of(long samples, long queue) {
    return new CrdLoss(
        samples,
        queue,
        List.of(),
        false,
        Z.firstBatch(),
        NEGATIVES,
        DIMENSION,
        TEMPERATURE,
        MOMENTUM,
        MemoryDtype.FLOAT32);
  }

  /**
   * Returns the loss for a data set, with RepDistiller's options for CIFAR-100 and ImageNet: 16384
   * negatives, 128 dimensions, temperature 0.07, momentum 0.5.
   *
   * @param samples M, the number of samples in the data set, at least 2
   * @return the loss
   * @throws IllegalArgumentException if there are fewer than two samples
   */
  public static CrdLoss forSamples(long samples) {
    Arguments.atLeast(samples, 2, "CrdLoss.forSamples", "samples");
    return of(samples, 0);
  }

  /**
   * Returns the loss for streaming data, with the options of {@link #forSamples}. Batches need no
   * indices: their embeddings replace the oldest rows before they are compared, so the positive is
   * the other network's embedding from the same step, and the negatives are drawn from the other
   * rows, as by {@link #contrast}. A batch must not be larger than the queue.
   *
   * @param rows M, the number of rows in the queue, at least 2
   * @return the loss
   * @throws IllegalArgumentException if there are fewer than two rows
   */
  public static CrdLoss forQueue(long rows) {
    Arguments.atLeast(rows, 2, "CrdLoss.forQueue", "rows");
    return of(0, rows);
  }

  /**
   * Sets the class of each sample in the data set: negatives are then drawn from other classes
   * only, as in the paper's experiments. By default any other sample may be a negative.
   *
   * @param classes one per sample, any numbers, at least two different ones; none for the default
   * @return a changed copy
   * @throws IllegalArgumentException if the loss has a queue, or the classes are null, not one per
   *     sample, or all the same
   */
  public CrdLoss withClasses(List<Long> classes) {
    return with(copy -> copy.classes = classes);
  }

  /**
   * Sets the class of each sample in the data set, as {@link #withClasses(List)} does.
   *
   * @param classes one per sample, any numbers, at least two different ones; none for the default
   * @return a changed copy
   * @throws IllegalArgumentException as above
   */
  public CrdLoss withClasses(long... classes) {
    Arguments.notNull(classes, NAME, "classes");
    return withClasses(LongStream.of(classes).boxed().toList());
  }

  /**
   * Sets whether the positive may be any sample of the same class, as in RepDistiller's {@code
   * relax} mode; by default it is the sample itself, as in its {@code exact} mode.
   *
   * @param relaxed whether it may
   * @return a changed copy
   * @throws IllegalArgumentException if the samples' {@linkplain #withClasses classes} have not
   *     been given
   */
  public CrdLoss withRelaxed(boolean relaxed) {
    return with(copy -> copy.relaxed = relaxed);
  }

  /**
   * Sets where a training step gets Z from; by default it is estimated from the first batch.
   *
   * @param z its source
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public CrdLoss withZ(Z z) {
    return with(copy -> copy.z = z);
  }

  /**
   * Sets the number of negatives drawn for each sample of a batch that does not supply its own;
   * 16384 by default.
   *
   * @param negatives K, between 1 and 2147483647
   * @return a changed copy
   * @throws IllegalArgumentException if the number is out of range
   */
  public CrdLoss withNegatives(long negatives) {
    return with(copy -> copy.negatives = negatives);
  }

  /**
   * Sets the length of the embeddings; 128 by default.
   *
   * @param dimension at least 1
   * @return a changed copy
   * @throws IllegalArgumentException if the dimension is out of range
   */
  public CrdLoss withDimension(long dimension) {
    return with(copy -> copy.dimension = dimension);
  }

  /**
   * Sets the temperature; 0.07 by default, the paper's value. Below about 0.012, Z may exceed the
   * range of float32: the first step then fails.
   *
   * @param temperature T, positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the temperature is out of range
   */
  public CrdLoss withTemperature(double temperature) {
    return with(copy -> copy.temperature = temperature);
  }

  /**
   * Sets the weight of a memory row's old value when it moves towards the new embedding; 0.5 by
   * default, the paper's value. A queue does not use it.
   *
   * @param momentum at least 0 and below 1
   * @return a changed copy
   * @throws IllegalArgumentException if the momentum is out of range
   */
  public CrdLoss withMomentum(double momentum) {
    return with(copy -> copy.momentum = momentum);
  }

  /**
   * Sets how the memories are stored; float32 by default.
   *
   * @param memoryDtype the dtype
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public CrdLoss withMemoryDtype(MemoryDtype memoryDtype) {
    return with(copy -> copy.memoryDtype = memoryDtype);
  }

  private CrdLoss with(Consumer<Copy> change) {
    Copy copy = new Copy(this);
    change.accept(copy);
    return copy.loss();
  }

  /** A copy that is being changed. */
  private static final class Copy {
    private final long samples;
    private final long queue;
    private List<Long> classes;
    private boolean relaxed;
    private Z z;
    private long negatives;
    private long dimension;
    private double temperature;
    private double momentum;
    private MemoryDtype memoryDtype;

    Copy(CrdLoss of) {
      samples = of.samples;
      queue = of.queue;
      classes = of.classes;
      relaxed = of.relaxed;
      z = of.z;
      negatives = of.negatives;
      dimension = of.dimension;
      temperature = of.temperature;
      momentum = of.momentum;
      memoryDtype = of.memoryDtype;
    }

    CrdLoss loss() {
      return new CrdLoss(
          samples,
          queue,
          classes,
          relaxed,
          z,
          negatives,
          dimension,
          temperature,
          momentum,
          memoryDtype);
    }
  }

  private static void checkClasses(List<Long> classes, long samples) {
    if (classes.isEmpty()) {
      return;
    }
    check(samples > 0, "%s: classes must not be given with a queue (got some)", NAME);
    check(
        classes.size() == samples,
        "%s: classes must be one for each of the %s samples (got %s)",
        NAME,
        samples,
        classes.size());
    check(
        classes.stream().distinct().limit(2).count() == 2,
        "%s: classes must be at least two different ones (got only %s)",
        NAME,
        classes.get(0));
  }

  private static void checkMomentum(String function, double momentum) {
    check(
        momentum >= 0 && momentum < 1,
        "%s: momentum must be at least 0 and below 1 (got %s)",
        function,
        momentum);
  }

  /** Returns the options by name; for the classes, their number. */
  @Override
  public String toString() {
    return "CrdLoss[samples="
        + samples
        + ", queue="
        + queue
        + ", classes="
        + (classes.isEmpty() ? "none" : classes.stream().distinct().count())
        + ", relaxed="
        + relaxed
        + ", z="
        + z
        + ", negatives="
        + negatives
        + ", dimension="
        + dimension
        + ", temperature="
        + temperature
        + ", momentum="
        + momentum
        + ", memoryDtype="
        + memoryDtype
        + "]";
  }

  /**
   * Computes the loss of one batch. Gradients flow to the student, and to the teacher if it
   * requires them, but never to the memories; they are computed together with the loss and can't be
   * differentiated again.
   *
   * @param student [B, d], the student's embeddings, rows of length 1, which is not checked;
   *     floating point, any strides
   * @param teacher the teacher's embeddings, of the same shape, dtype and device
   * @param studentMemory [M, d], float64 for float64 embeddings, float32 or bfloat16 for all others
   * @param teacherMemory of the same shape, dtype and device
   * @param contrast int64 [B, K+1], rows of the memories, the positive first, K ≥ 1; rows may
   *     repeat
   * @param zStudent Z of the student's side, positive and finite, see {@link #z}
   * @param zTeacher Z of the teacher's side, positive and finite
   * @param temperature T, positive and finite
   * @return a new scalar, float64 for float64 memories and otherwise float32, which the caller
   *     closes
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
    return Native.call(
        () ->
            retort.crd_loss(
                student,
                teacher,
                studentMemory,
                teacherMemory,
                contrast,
                zStudent,
                zTeacher,
                temperature));
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
    return Native.call(() -> retort.crd_z(embeddings, memory, contrast, temperature));
  }

  /**
   * Draws the candidates of a batch: for each sample its own row, then negatives drawn uniformly,
   * with replacement, from all other rows. What a sample draws depends on LibTorch's default
   * generator and the sample's own row, not on the rest of the batch or the number of threads.
   *
   * @param indices int64 [B], the samples' own rows
   * @param rows M, the number of rows in the memory, at least 2
   * @param negatives K, between 1 and 2147483647
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
    return Native.call(() -> retort.crd_contrast(indices, rows, negatives));
  }

  /**
   * Draws the candidates of a batch by class: negatives are drawn uniformly from the rows of all
   * other classes, without replacement unless there are fewer than K. What a sample draws depends
   * on LibTorch's default generator and the sample's own row, not on the rest of the batch or the
   * number of threads. These are the {@code exact} and {@code relax} modes of RepDistiller's,
   * mdistiller's and torchdistill's data loaders.
   *
   * @param indices int64 [B], the samples' own rows
   * @param classes int64 [M], the class of each memory row, any numbers, at least two different
   *     ones; on the same device
   * @param negatives K, between 1 and 2147483647
   * @param relaxed whether the positive may be any row of the class; otherwise it is the sample's
   *     own row
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
    return Native.call(
        () -> {
          try (GeneratorOptional generator = new GeneratorOptional()) {
            return retort.crd_class_contrast(indices, classes, negatives, relaxed, generator);
          }
        });
  }

  @SuppressWarnings("try") // the scope works by being open
  NativeCrdOptions nativeOptions() {
    NativeLibrary.load();
    NativeCrdOptions options =
        new NativeCrdOptions()
            .samples(samples)
            .queue(queue)
            .relaxed(relaxed)
            .negatives(negatives)
            .dimension(dimension)
            .temperature(temperature)
            .momentum(momentum)
            .memory_dtype(NativeEnums.of(memoryDtype, NativeCrdMemoryDtype.class))
            .z(NativeEnums.of(z.source, NativeCrdZ.class))
            .z_student(z.student)
            .z_teacher(z.teacher)
            .z_momentum(z.momentum);
    if (!classes.isEmpty()) {
      try (PointerScope scope = new PointerScope()) {
        options.classes(Tensor.create(classes.stream().mapToLong(Long::longValue).toArray()));
      }
    }
    return options;
  }
}
