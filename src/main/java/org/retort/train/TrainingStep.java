package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.Tensor;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativeTerm;
import org.retort.bindings.NativeTermVector;
import org.retort.bindings.NativeTrainingStep;
import org.retort.bindings.NativeTrainingStepOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NamedTensors;
import org.retort.internal.NativeHandle;
import org.retort.losses.DistillationLoss;
import org.retort.models.Network;

/**
 * Trains a student with a teacher: one native call does the teacher's forward pass, the student's,
 * the weighted losses, the backward pass, checks and the optimizer.
 *
 * <p>The teacher runs in evaluation mode without gradients, the student in training mode; both
 * modes are restored. Calls on one step wait for each other; several steps run side by side, unless
 * they share a network.
 *
 * <p>A step that fails changes nothing: parameters, buffers, optimizer, losses, the default
 * generator and the step count are then, bit for bit, what they were before.
 *
 * <p>The step shares the networks: it stays usable when they are closed.
 */
public final class TrainingStep implements AutoCloseable {
  private static final String RUN = "TrainingStep.run";

  private final NativeHandle<NativeTrainingStep> handle;
  private final long sampleSize;
  private final int terms;

  private TrainingStep(NativeTrainingStep step, long sampleSize, int terms) {
    handle = new NativeHandle<>("TrainingStep", step);
    this.sampleSize = sampleSize;
    this.terms = terms;
  }

  /**
   * Starts a training step without a teacher, which can have no distillation terms.
   *
   * @param student the network to train
   * @return a new builder
   * @throws IllegalArgumentException if the network is null
   */
  public static Builder builder(Network student) {
    return new Builder(Arguments.notNull(student, "TrainingStep.builder", "student"), null);
  }

  /**
   * Starts a training step.
   *
   * @param student the network to train
   * @param teacher the network to learn from
   * @return a new builder
   * @throws IllegalArgumentException if a network is null
   */
  public static Builder builder(Network student, Network teacher) {
    return new Builder(
        Arguments.notNull(student, "TrainingStep.builder", "student"),
        Arguments.notNull(teacher, "TrainingStep.builder", "teacher"));
  }

  /**
   * Makes a result to be reused for every step.
   *
   * @return a new result for this step's number of terms
   * @throws IllegalStateException if the step was closed
   */
  public StepResult newResult() {
    handle.acquire();
    try {
      return new StepResult(terms);
    } finally {
      handle.release();
    }
  }

  /**
   * Does one step on images in memory, which are read without a copy. Each buffer counts from its
   * position to its limit and must not change during the call.
   *
   * @param images a direct buffer of whole images of the input shape, float32
   * @param labels a direct buffer with one class an image, or −1 for an image without a label,
   *     which takes part in the distillation terms only; may be null if the weight of the
   *     cross-entropy is 0
   * @param indices a direct buffer with each image's row in the data set; may be null if no term
   *     needs it
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException if a buffer is null, not direct, not in native byte order or
   *     of the wrong size, or the result was made for another number of terms
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.RetortException if a label is out of range, the student is not of float32,
   *     or the loss or a gradient is not finite
   */
  public void run(FloatBuffer images, LongBuffer labels, LongBuffer indices, StepResult result) {
    runBuffers(images, labels, indices, null, result);
  }

  /**
   * Does one step on images in memory, as {@link #run(FloatBuffer, LongBuffer, LongBuffer,
   * StepResult)}, with the rows to contrast with given.
   *
   * @param images a direct buffer of whole images of the input shape, float32
   * @param labels a direct buffer with one class an image, or −1; may be null if the weight of the
   *     cross-entropy is 0
   * @param indices a direct buffer with each image's row in the data set; may be null if no term
   *     needs it
   * @param contrast a direct buffer with K+1 rows an image, the positive first
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public void run(
      FloatBuffer images,
      LongBuffer labels,
      LongBuffer indices,
      LongBuffer contrast,
      StepResult result) {
    runBuffers(images, labels, indices, Arguments.notNull(contrast, RUN, "contrast"), result);
  }

  private void runBuffers(
      FloatBuffer images,
      LongBuffer labels,
      LongBuffer indices,
      LongBuffer contrast,
      StepResult result) {
    long batch = Arguments.batch(images, RUN, sampleSize);
    Arguments.rows(labels, RUN, "labels", batch);
    Arguments.rows(indices, RUN, "indices", batch);
    long contrastWidth = contrast == null ? 0 : Math.max(1, contrast.remaining() / batch);
    Arguments.rows(contrast, RUN, "contrast", batch * contrastWidth);
    checkResult(result);
    NativeTrainingStep step = handle.acquire();
    try {
      retort.run(
          step, images, labels, indices, contrast, result.values(), batch, contrastWidth, false);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    } finally {
      handle.release();
    }
  }

  /**
   * Does one step on tensors.
   *
   * @param images [B, …input shape], in the student's dtype
   * @param labels int64 [B], classes from 0, or −1 for an image without a label, which takes part
   *     in the distillation terms only; may be null if the weight of the cross-entropy is 0
   * @param indices int64 [B], each image's row in the data set; may be null if no term needs it
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException if a tensor is undefined, the images are null, or the result
   *     was made for another number of terms
   * @throws IllegalStateException if a tensor or the step was closed
   * @throws org.retort.RetortException if a tensor does not fit, or the loss or a gradient is not
   *     finite
   */
  public void run(Tensor images, Tensor labels, Tensor indices, StepResult result) {
    run(images, labels, indices, null, result);
  }

  /**
   * Does one step on tensors, with the rows to contrast with given.
   *
   * @param images [B, …input shape], in the student's dtype
   * @param labels int64 [B], classes from 0, or −1; may be null if the weight of the cross-entropy
   *     is 0
   * @param indices int64 [B], each image's row in the data set; may be null if no term needs it
   * @param contrast int64 [B, K+1], the positive first; may be null if no term needs it
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public void run(
      Tensor images, Tensor labels, Tensor indices, Tensor contrast, StepResult result) {
    Arguments.tensor(images, RUN, "images");
    Arguments.optional(labels, RUN, "labels");
    Arguments.optional(indices, RUN, "indices");
    Arguments.optional(contrast, RUN, "contrast");
    checkResult(result);
    NativeTrainingStep step = handle.acquire();
    try {
      retort.run(step, images, labels, indices, contrast, null, null, null, result.values());
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    } finally {
      handle.release();
    }
  }

  /**
   * The number of steps that succeeded.
   *
   * @return a count
   */
  public long steps() {
    NativeTrainingStep step = handle.acquire();
    try {
      return step.steps();
    } finally {
      handle.release();
    }
  }

  /**
   * The learning rate that the next step will use.
   *
   * @return the rate
   */
  public double learningRate() {
    NativeTrainingStep step = handle.acquire();
    try {
      return step.learning_rate();
    } finally {
      handle.release();
    }
  }

  /**
   * Everything that a step changes, by name: {@code student.NAME}, {@code terms.INDEX.NAME}, {@code
   * momentum.student.NAME}, {@code momentum.terms.INDEX.NAME}.
   *
   * @return new tensors, which share the step's memory; the caller closes them
   */
  public Map<String, Tensor> state() {
    NativeTrainingStep step = handle.acquire();
    try (StringTensorDict state = step.state()) {
      return NamedTensors.toMap(state);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    } finally {
      handle.release();
    }
  }

  /** Frees the step, once a call that is running has ended. Harmless if it was closed already. */
  @Override
  public void close() {
    handle.close();
  }

  private void checkResult(StepResult result) {
    Arguments.notNull(result, RUN, "result");
    if (result.terms() != terms) { // not check(), whose array would be an allocation a step
      throw new IllegalArgumentException(
          RUN + ": result must have " + terms + " terms (got " + result.terms() + ")");
    }
  }

  /** Collects what a training step is made of. */
  public static final class Builder {
    private record Term(double weight, DistillationLoss loss, Taps taps) {}

    private final Network student;
    private final Network teacher;
    private final List<Term> terms = new ArrayList<>();
    private long[] inputShape;
    private double crossEntropy = 1;
    private Sgd optimizer = Sgd.learningRate(0.1);

    private Builder(Network student, Network teacher) {
      this.student = student;
      this.teacher = teacher;
    }

    /**
     * Sets the shape of one image. Required.
     *
     * @param shape without the batch, for example 3, 32, 32
     * @return this builder
     * @throws IllegalArgumentException if a size is not positive
     */
    public Builder inputShape(long... shape) {
      Arguments.shape(shape, "TrainingStep.Builder.inputShape", "shape");
      inputShape = shape.clone();
      return this;
    }

    /**
     * Sets the weight of the cross-entropy with the labels, the mean over the labelled samples; 1
     * by default.
     *
     * @param weight at least 0 and finite; 0 trains without labels
     * @return this builder
     * @throws IllegalArgumentException if the weight is out of range
     */
    public Builder crossEntropy(double weight) {
      checkWeight("TrainingStep.Builder.crossEntropy", weight);
      crossEntropy = weight;
      return this;
    }

    /**
     * Adds a distillation loss on logits.
     *
     * @param weight at least 0 and finite
     * @param loss the loss
     * @return this builder
     * @throws IllegalArgumentException if the weight is out of range or the loss is null
     */
    public Builder add(double weight, DistillationLoss loss) {
      return add(weight, loss, Taps.of());
    }

    /**
     * Adds a distillation loss on features.
     *
     * @param weight at least 0 and finite
     * @param loss the loss
     * @param taps the features that it compares
     * @return this builder
     * @throws IllegalArgumentException if the weight is out of range or an argument is null
     */
    public Builder add(double weight, DistillationLoss loss, Taps taps) {
      checkWeight("TrainingStep.Builder.add", weight);
      Arguments.notNull(loss, "TrainingStep.Builder.add", "loss");
      Arguments.notNull(taps, "TrainingStep.Builder.add", "taps");
      terms.add(new Term(weight, loss, taps));
      return this;
    }

    /**
     * Sets the optimizer; SGD with a learning rate of 0.1 by default.
     *
     * @param sgd the optimizer
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder optimizer(Sgd sgd) {
      optimizer = Arguments.notNull(sgd, "TrainingStep.Builder.optimizer", "optimizer");
      return this;
    }

    /**
     * Builds the step: probes both networks with the input shape, and builds the losses for the
     * shapes of their taps.
     *
     * @return a new step, which the caller closes
     * @throws IllegalArgumentException if the input shape is missing
     * @throws IllegalStateException if a network was closed
     * @throws org.retort.RetortException if a tap does not exist, a loss does not fit its taps, a
     *     network does not return logits and features, or nothing is left to train
     */
    @SuppressWarnings("try") // the scope works by being open
    public TrainingStep build() {
      Arguments.notNull(inputShape, "TrainingStep.Builder.build", "input shape");
      try (PointerScope scope = new PointerScope()) {
        NativeTrainingStepOptions options = new NativeTrainingStepOptions();
        share(student, options::student);
        if (teacher != null) {
          share(teacher, options::teacher);
        }
        options.input_shape(new LongVector(inputShape));
        options.cross_entropy().weight(crossEntropy);
        options.optimizer(optimizer.nativeOptions());
        NativeTermVector nativeTerms = new NativeTermVector(terms.size());
        for (int i = 0; i < terms.size(); i++) {
          nativeTerms.put(i, toNative(terms.get(i)));
        }
        options.terms(nativeTerms);
        return new TrainingStep(
            new NativeTrainingStep(options),
            LongStream.of(inputShape).reduce(1, Math::multiplyExact),
            terms.size());
      } catch (RuntimeException error) {
        throw Errors.translate(error);
      }
    }

    private static NativeTerm toNative(Term term) {
      return new NativeTerm()
          .weight(term.weight())
          .criterion(term.loss().nativeOptions())
          .student_taps(new StringVector(term.taps().student().toArray(new String[0])))
          .teacher_taps(new StringVector(term.taps().teacher().toArray(new String[0])));
    }

    /**
     * Lets the options share a network; it is not kept longer, since another step may hold it the
     * other way round.
     */
    private static void share(Network network, Consumer<NativeNetwork> options) {
      NativeHandle<NativeNetwork> handle = network.nativeHandle();
      NativeNetwork shared = handle.acquire();
      try {
        options.accept(shared);
      } finally {
        handle.release();
      }
    }

    private static void checkWeight(String function, double weight) {
      check(
          weight >= 0 && Double.isFinite(weight),
          "%s: weight must be at least 0 and finite (got %s)",
          function,
          weight);
    }
  }
}
