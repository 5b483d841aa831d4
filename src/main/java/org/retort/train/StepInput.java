package org.retort.train;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.retort.internal.Arguments;

/**
 * The tensors of one step, including those that the short forms of {@link
 * TrainingStep#run(StepInput, StepResult) run} lack. The caller keeps ownership of the tensors,
 * which must be open while the step runs. Immutable: each method returns a changed copy.
 */
public final class StepInput {
  private final Map<String, Tensor> tensors;
  private final List<Tensor> teacherFeatures;

  private StepInput(Map<String, Tensor> tensors, List<Tensor> teacherFeatures) {
    this.tensors = tensors;
    this.teacherFeatures = teacherFeatures;
  }

  /**
   * Images and their labels.
   *
   * @param images [B, …input shape], or [B, height, width, channels] with {@link
   *     TrainingStep.Builder#imagesChannelsLast()}, in the student's dtype or uint8
   * @param labels int64 [B], classes from 0, or −1 for an image without a label, which takes part
   *     in the distillation terms only; may be null if the weight of the cross-entropy is 0
   * @return the input
   * @throws IllegalArgumentException if the images are null
   */
  public static StepInput of(Tensor images, Tensor labels) {
    Arguments.notNull(images, "StepInput.of", "images");
    return new StepInput(Map.of(), List.of()).with("images", images).with("labels", labels);
  }

  /**
   * Adds each image's row in the data set.
   *
   * @param indices int64 [B]; may be null if neither a term nor the teacher's cache needs them
   * @return a changed copy
   */
  public StepInput indices(Tensor indices) {
    return with("indices", indices);
  }

  /**
   * Adds the rows to contrast with.
   *
   * @param contrast int64 [B, K+1], the positive first; may be null if no term needs them
   * @return a changed copy
   */
  public StepInput contrast(Tensor contrast) {
    return with("contrast", contrast);
  }

  /**
   * Adds the sample weights of the cross-entropy and of losses that support them (KD).
   *
   * @param weights [B], floating point, at least 0, not all 0; null if all samples have the same
   *     weight
   * @return a changed copy
   */
  public StepInput weights(Tensor weights) {
    return with("weights", weights);
  }

  /**
   * Adds the teacher's outputs for the images; the teacher then does not run.
   *
   * @param logits [B, classes], floating point
   * @param features floating point, in the order of {@link TrainingStep#teacherTaps()}
   * @return a changed copy
   * @throws IllegalArgumentException if the logits, the array or a feature is null
   */
  public StepInput teacher(Tensor logits, Tensor... features) {
    Arguments.notNull(logits, "StepInput.teacher", "logits");
    List<Tensor> ofTaps = Arguments.list(features, "StepInput.teacher", "features");
    return new StepInput(with("teacher logits", logits).tensors, ofTaps);
  }

  private StepInput with(String name, Tensor tensor) {
    Map<String, Tensor> changed = new HashMap<>(tensors);
    changed.put(name, tensor);
    return new StepInput(changed, teacherFeatures);
  }

  /** Returns a tensor that must be open and defined, or null if there is none. */
  Tensor tensor(String name, String function) {
    return Arguments.optional(tensors.get(name), function, name);
  }

  List<Tensor> teacherFeatures() {
    return teacherFeatures;
  }
}
