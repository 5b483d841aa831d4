package org.retort.train;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;
import org.retort.internal.Arguments;

/**
 * All that a batch can consist of, for {@link TrainingStep#run(StepInput, StepResult)}: images and
 * labels, and as far as losses need them indices, rows to contrast with, weights and the teacher's
 * outputs; each a tensor, a direct buffer or an array, in any mixture. Immutable: each method
 * returns a changed copy.
 *
 * <p>Nothing is copied before the step runs: until then, tensors must stay open, and the step reads
 * what buffers and arrays hold by then. A buffer is read from its position to its limit, must be
 * direct and of the native byte order. Of images in memory the number of elements tells the batch.
 * An input of images, labels, indices and contrast in buffers alone, or in arrays alone, can be run
 * again and again, with other contents, and then the step creates no object.
 */
public final class StepInput {
  private final Object images;
  private final @Nullable Object labels;
  private final @Nullable Object indices;
  private final @Nullable Object contrast;
  private final @Nullable Object weights;
  private final @Nullable Object teacherLogits;
  private final List<Tensor> teacherFeatures;

  private StepInput(
      Object images,
      @Nullable Object labels,
      @Nullable Object indices,
      @Nullable Object contrast,
      @Nullable Object weights,
      @Nullable Object teacherLogits,
      List<Tensor> teacherFeatures) {
    this.images = images;
    this.labels = labels;
    this.indices = indices;
    this.contrast = contrast;
    this.weights = weights;
    this.teacherLogits = teacherLogits;
    this.teacherFeatures = teacherFeatures;
  }

  private static StepInput of(Object images, @Nullable Object labels) {
    Arguments.notNull(images, "StepInput.of", "images");
    return new StepInput(images, labels, null, null, null, null, List.of());
  }

  /**
   * Images and their labels in tensors.
   *
   * @param images [B, …input shape], or [B, height, width, channels] with {@link
   *     org.retort.models.Preprocessing#withChannelsLast}, in the student's dtype or uint8
   * @param labels int64 [B], classes from 0, or −1 for an image without a label, which takes part
   *     in the distillation terms only; may be null if the weight of the cross-entropy is 0
   * @return the input
   * @throws IllegalArgumentException if the images are null
   */
  public static StepInput of(Tensor images, @Nullable Tensor labels) {
    return of((Object) images, labels);
  }

  /**
   * Images and their labels in direct buffers, which are read without a copy.
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
   * Images of unsigned bytes, whose values are divided by 255, and their labels in direct buffers,
   * which are read without a copy.
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
   * Images and their labels in arrays, which are copied once per step.
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
   * Images of unsigned bytes, whose values are divided by 255, and their labels in arrays, which
   * are copied once per step.
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
   * @param indices int64 [B]; may be null if neither a term nor the teacher's cache needs them
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
    return new StepInput(
        images, labels, indices, contrast, weights, teacherLogits, teacherFeatures);
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
    return new StepInput(
        images, labels, indices, contrast, weights, teacherLogits, teacherFeatures);
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
    return new StepInput(
        images, labels, indices, contrast, weights, teacherLogits, teacherFeatures);
  }

  /**
   * Adds the teacher's outputs for the images; the teacher then does not run.
   *
   * @param logits [B, classes], floating point, on the student's device
   * @param features floating point, on the student's device, in the order of {@link
   *     TrainingStep#teacherTaps()}
   * @return a changed copy
   * @throws IllegalArgumentException if the logits, the array or a feature is null
   */
  public StepInput withTeacher(Tensor logits, Tensor... features) {
    return taught(logits, Arguments.list(features, "StepInput.withTeacher", "features"));
  }

  /**
   * Adds the teacher's logits for the images, as another engine may have computed them; the teacher
   * then does not run.
   *
   * @param logits [B, classes] in a direct buffer
   * @return a changed copy
   * @throws IllegalArgumentException if the logits are null
   */
  public StepInput withTeacher(FloatBuffer logits) {
    return taught(logits, List.of());
  }

  private StepInput taught(Object logits, List<Tensor> features) {
    Arguments.notNull(logits, "StepInput.withTeacher", "logits");
    return new StepInput(images, labels, indices, contrast, weights, logits, features);
  }

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

  @Nullable Object teacherLogits() {
    return teacherLogits;
  }

  List<Tensor> teacherFeatures() {
    return teacherFeatures;
  }

  /** Whether there is nothing but images, labels and rows, in buffers. */
  boolean isInBuffers() {
    return images instanceof Buffer && hasOnlyRows(LongBuffer.class);
  }

  /** Whether there is nothing but images, labels and rows, in arrays. */
  boolean isInArrays() {
    return (images instanceof float[] || images instanceof byte[]) && hasOnlyRows(long[].class);
  }

  private boolean hasOnlyRows(Class<?> type) {
    return (labels == null || type.isInstance(labels))
        && (indices == null || type.isInstance(indices))
        && (contrast == null || type.isInstance(contrast))
        && weights == null
        && teacherLogits == null;
  }
}
