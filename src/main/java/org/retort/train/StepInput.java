package org.retort.train;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;
import org.retort.internal.Arguments;

/**
 * A batch, for {@link TrainingStep#run(StepInput, StepResult)}: images and labels and, as far as
 * losses need them, indices, rows to contrast with, weights and outputs of teachers; each a tensor,
 * a direct buffer or an array, in any combination. Immutable: each method returns a changed copy.
 *
 * <p>Nothing is copied before the step runs: until then, tensors must stay open, and the step reads
 * what buffers and arrays hold at that time. A buffer is read from its position to its limit, and
 * must be direct and in native byte order. For images in memory, the number of elements determines
 * the batch size. An input of only images, labels, indices and contrast, all in buffers or all in
 * arrays, can be run repeatedly with new contents; the step then creates no objects.
 */
public final class StepInput {
  /** Stands for the name of a step's only teacher. */
  static final String ONLY = "";

  private final Object images;
  private final @Nullable Object labels;
  private final @Nullable Object indices;
  private final @Nullable Object contrast;
  private final @Nullable Object weights;
  private final Map<String, GivenOutputs> teachers;

  private StepInput(
      Object images,
      @Nullable Object labels,
      @Nullable Object indices,
      @Nullable Object contrast,
      @Nullable Object weights,
      Map<String, GivenOutputs> teachers) {
    this.images = images;
    this.labels = labels;
    this.indices = indices;
    this.contrast = contrast;
    this.weights = weights;
    this.teachers = teachers;
  }

  private static StepInput of(Object images, @Nullable Object labels) {
    Arguments.notNull(images, "StepInput.of", "images");
    return new StepInput(images, labels, null, null, null, Map.of());
  }

  /**
   * Creates an input from images and their labels in tensors.
   *
   * @param images [B, …input shape], or [B, height, width, channels] with {@link
   *     org.retort.models.Preprocessing#withChannelsLast}, in the student's dtype or uint8
   * @param labels int64 [B], classes from 0, or −1 for an image without a label, which takes part
   *     only in the distillation terms; may be null if the weight of the cross-entropy is 0
   * @return the input
   * @throws IllegalArgumentException if the images are null
   */
  public static StepInput of(Tensor images, @Nullable Tensor labels) {
    return of((Object) images, labels);
  }

  /**
   * Creates an input from images and their labels in direct buffers, which are read without
   * copying.
   *
   * @param images whole images of the input shape, float32
   * @param labels one class per image, or −1, as above; may be null
   * @return the input
   * @throws IllegalArgumentException if the images are null
   */
  public static StepInput of(FloatBuffer images, @Nullable LongBuffer labels) {
    return of((Object) images, labels);
  }

  /**
   * Creates an input from images of unsigned bytes, whose values are divided by 255, and their
   * labels in direct buffers, which are read without copying.
   *
   * @param images whole images of the input shape, uint8
   * @param labels one class per image, or −1, as above; may be null
   * @return the input
   * @throws IllegalArgumentException if the images are null
   */
  public static StepInput of(ByteBuffer images, @Nullable LongBuffer labels) {
    return of((Object) images, labels);
  }

  /**
   * Creates an input from images and their labels in arrays, which are copied once per step.
   *
   * @param images whole images of the input shape
   * @param labels one class per image, or −1, as above; may be null
   * @return the input
   * @throws IllegalArgumentException if the images are null
   */
  public static StepInput of(float[] images, long @Nullable [] labels) {
    return of((Object) images, labels);
  }

  /**
   * Creates an input from images of unsigned bytes, whose values are divided by 255, and their
   * labels in arrays, which are copied once per step.
   *
   * @param images whole images of the input shape, uint8
   * @param labels one class per image, or −1, as above; may be null
   * @return the input
   * @throws IllegalArgumentException if the images are null
   */
  public static StepInput of(byte[] images, long @Nullable [] labels) {
    return of((Object) images, labels);
  }

  /**
   * Adds each image's row in the data set.
   *
   * @param indices int64 [B]; may be null if neither a term nor the teacher's cache or stored
   *     outputs need them
   * @return a changed copy
   */
  public StepInput withIndices(@Nullable Tensor indices) {
    return indexed(indices);
  }

  /**
   * Adds each image's row in the data set.
   *
   * @param indices B rows in a direct buffer; may be null if nothing needs them
   * @return a changed copy
   */
  public StepInput withIndices(@Nullable LongBuffer indices) {
    return indexed(indices);
  }

  /**
   * Adds each image's row in the data set.
   *
   * @param indices B rows; may be null if nothing needs them
   * @return a changed copy
   */
  public StepInput withIndices(long @Nullable [] indices) {
    return indexed(indices);
  }

  private StepInput indexed(@Nullable Object indices) {
    return new StepInput(images, labels, indices, contrast, weights, teachers);
  }

  /**
   * Adds the rows to contrast with.
   *
   * @param contrast int64 [B, K+1], the positive first; may be null if no term needs them
   * @return a changed copy
   */
  public StepInput withContrast(@Nullable Tensor contrast) {
    return contrasted(contrast);
  }

  /**
   * Adds the rows to contrast with.
   *
   * @param contrast K+1 rows per image in a direct buffer, the positive first; may be null if no
   *     term needs them
   * @return a changed copy
   */
  public StepInput withContrast(@Nullable LongBuffer contrast) {
    return contrasted(contrast);
  }

  /**
   * Adds the rows to contrast with.
   *
   * @param contrast K+1 rows per image, the positive first; may be null if no term needs them
   * @return a changed copy
   */
  public StepInput withContrast(long @Nullable [] contrast) {
    return contrasted(contrast);
  }

  private StepInput contrasted(@Nullable Object contrast) {
    return new StepInput(images, labels, indices, contrast, weights, teachers);
  }

  /**
   * Adds the sample weights of the cross-entropy and of losses that support them (KD, DKD).
   *
   * @param weights [B], floating point, at least 0, not all 0; null if all samples have the same
   *     weight
   * @return a changed copy
   */
  public StepInput withWeights(@Nullable Tensor weights) {
    return weighted(weights);
  }

  /**
   * Adds the sample weights of the cross-entropy and of losses that support them (KD, DKD).
   *
   * @param weights B numbers in a direct buffer, at least 0, not all 0; null if all samples have
   *     the same weight
   * @return a changed copy
   */
  public StepInput withWeights(@Nullable FloatBuffer weights) {
    return weighted(weights);
  }

  private StepInput weighted(@Nullable Object weights) {
    return new StepInput(images, labels, indices, contrast, weights, teachers);
  }

  /**
   * Adds the outputs of the step's only teacher for the images; the teacher then does not run.
   *
   * @param logits [B, classes], floating point, on the student's device
   * @param features floating point, on the student's device, in the order of {@link
   *     TrainingStep#teacherTaps()}
   * @return a changed copy
   * @throws IllegalArgumentException if the logits, the array or a feature is null
   */
  public StepInput withTeacher(Tensor logits, Tensor... features) {
    return taught(ONLY, logits, features);
  }

  /**
   * Adds the outputs of one of several teachers for the images; this teacher then does not run.
   *
   * @param teacher its {@link Teacher#name}
   * @param logits [B, classes], floating point, on the student's device
   * @param features floating point, on the student's device, in the order of {@link
   *     TrainingStep#teacherTaps(String)}
   * @return a changed copy
   * @throws IllegalArgumentException if the name, the logits, the array or a feature is null
   */
  public StepInput withTeacher(String teacher, Tensor logits, Tensor... features) {
    return taught(teacher, logits, features);
  }

  /**
   * Adds the logits of the step's only teacher for the images, for example computed by another
   * engine; the teacher then does not run.
   *
   * @param logits [B, classes] in a direct buffer
   * @return a changed copy
   * @throws IllegalArgumentException if the logits are null
   */
  public StepInput withTeacher(FloatBuffer logits) {
    return taught(ONLY, logits);
  }

  /**
   * Adds the logits of one of several teachers for the images, for example computed by another
   * engine; this teacher then does not run.
   *
   * @param teacher its {@link Teacher#name}
   * @param logits [B, classes] in a direct buffer
   * @return a changed copy
   * @throws IllegalArgumentException if the name or the logits are null
   */
  public StepInput withTeacher(String teacher, FloatBuffer logits) {
    return taught(teacher, logits);
  }

  private StepInput taught(String teacher, Object logits, Tensor... features) {
    String function = "StepInput.withTeacher";
    Arguments.notNull(teacher, function, "teacher");
    Arguments.notNull(logits, function, "logits");
    List<Tensor> all = Arguments.list(features, function, "features");
    Map<String, GivenOutputs> changed = new LinkedHashMap<>(teachers);
    changed.put(teacher, new GivenOutputs(logits, all));
    return new StepInput(images, labels, indices, contrast, weights, changed);
  }

  /** A teacher's outputs for the images: logits, as a tensor or a buffer, and features. */
  record GivenOutputs(Object logits, List<Tensor> features) {}

  Object images() {
    return images;
  }

  @Nullable Object labels() {
    return labels;
  }

  @Nullable Object indices() {
    return indices;
  }

  @Nullable Object contrast() {
    return contrast;
  }

  @Nullable Object weights() {
    return weights;
  }

  /**
   * Returns the teachers' outputs by name; the name of a step's only teacher may be {@link #ONLY}.
   */
  Map<String, GivenOutputs> teachers() {
    return teachers;
  }

  /** Returns whether there are only images, labels and rows, all in buffers. */
  boolean isInBuffers() {
    return images instanceof Buffer && hasOnlyRows(LongBuffer.class);
  }

  /** Returns whether there are only images, labels and rows, all in arrays. */
  boolean isInArrays() {
    return (images instanceof float[] || images instanceof byte[]) && hasOnlyRows(long[].class);
  }

  private boolean hasOnlyRows(Class<?> type) {
    return (labels == null || type.isInstance(labels))
        && (indices == null || type.isInstance(indices))
        && (contrast == null || type.isInstance(contrast))
        && weights == null
        && teachers.isEmpty();
  }
}
