package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleVector;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativeStage;
import org.retort.bindings.NativeStageVector;
import org.retort.bindings.NativeTerm;
import org.retort.bindings.NativeTermVector;
import org.retort.bindings.NativeTrainingStep;
import org.retort.bindings.NativeTrainingStepOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NamedTensors;
import org.retort.internal.NativeHandle;
import org.retort.internal.StringLists;
import org.retort.internal.TensorLists;
import org.retort.losses.DistillationLoss;
import org.retort.models.Network;

/**
 * Trains a student with a teacher: one native call runs the teacher's and the student's forward
 * pass, the weighted losses, the backward pass, checks, clipping and the optimizer.
 *
 * <p>The teacher runs without gradients, the student in training mode; the modes of both are
 * restored. Calls on one step are serialised; several steps run concurrently, unless they share a
 * network.
 *
 * <p>A step is a transaction: it commits, or it fails and is rolled back. Rolling back restores,
 * bit for bit, parameters, buffers, optimizer, accumulated gradients, losses, the teacher's cache,
 * the default generator and the counters.
 *
 * <p>The step shares the networks: it stays usable when they are closed.
 */
public final class TrainingStep implements AutoCloseable {
  private static final String RUN = "TrainingStep.run";

  private final NativeHandle<NativeTrainingStep> handle;
  private final long sampleSize;
  private final boolean channelsLast;
  private final int mostTerms;

  private TrainingStep(
      NativeTrainingStep step, long sampleSize, boolean channelsLast, int mostTerms) {
    handle = new NativeHandle<>("TrainingStep", step);
    this.sampleSize = sampleSize;
    this.channelsLast = channelsLast;
    this.mostTerms = mostTerms;
  }

  /**
   * Starts building a training step without a teacher. Terms on logits are possible if each batch
   * includes the teacher's logits ({@link StepInput#teacher}).
   *
   * @param student the network to train
   * @return a new builder
   * @throws IllegalArgumentException if the network is null
   */
  public static Builder builder(Network student) {
    return new Builder(Arguments.notNull(student, "TrainingStep.builder", "student"), null);
  }

  /**
   * Starts building a training step.
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
   * @return a new result with room for the terms of any stage
   * @throws IllegalStateException if the step was closed
   */
  public StepResult newResult() {
    return handle.ask(open -> new StepResult(mostTerms));
  }

  /**
   * Runs one step on images in memory, which are read without a copy. Each buffer is read from its
   * position to its limit and must not change during the call.
   *
   * @param images a direct buffer of whole images of the input shape, float32
   * @param labels a direct buffer with one class per image, or −1 for an image without a label,
   *     which takes part in the distillation terms only; may be null if the weight of the
   *     cross-entropy is 0
   * @param indices a direct buffer with each image's row in the data set; may be null if neither a
   *     term nor the teacher's cache needs it
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException if a buffer is null, not direct, not in native byte order or
   *     of the wrong size, or the result has no room for the terms
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.ShapeException if the student is not of float32, or a term or the cache
   *     needs a tensor that is missing
   * @throws org.retort.NonFiniteException if the loss or a gradient is not finite
   * @throws org.retort.RetortException if a label or a row is out of range, or LibTorch fails
   */
  public void run(FloatBuffer images, LongBuffer labels, LongBuffer indices, StepResult result) {
    runBuffers(images, labels, indices, null, result);
  }

  /**
   * Runs one step on images in memory, as {@link #run(FloatBuffer, LongBuffer, LongBuffer,
   * StepResult)}, with explicit rows to contrast with.
   *
   * @param images as above
   * @param labels as above
   * @param indices as above
   * @param contrast a direct buffer with K+1 rows per image, the positive first
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
    run(retort::run, images, labels, indices, contrast, batch, contrastWidth, result);
  }

  /**
   * Runs one step on images of unsigned bytes, whose values are divided by 255; otherwise as {@link
   * #run(FloatBuffer, LongBuffer, LongBuffer, StepResult)}.
   *
   * @param images a direct buffer of whole images of the input shape, uint8
   * @param labels as above
   * @param indices as above
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public void run(ByteBuffer images, LongBuffer labels, LongBuffer indices, StepResult result) {
    long batch = Arguments.batch(images, RUN, sampleSize);
    Arguments.rows(labels, RUN, "labels", batch);
    Arguments.rows(indices, RUN, "indices", batch);
    run(retort::run, images, labels, indices, null, batch, 0, result);
  }

  /**
   * Runs one step on images in arrays, which are copied once; otherwise as {@link #run(FloatBuffer,
   * LongBuffer, LongBuffer, StepResult)}.
   *
   * @param images whole images of the input shape
   * @param labels as above
   * @param indices as above
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public void run(float[] images, long[] labels, long[] indices, StepResult result) {
    long batch = batch(Arguments.notNull(images, RUN, "images").length, labels, indices);
    run(retort::run, images, labels, indices, null, batch, 0, result);
  }

  /**
   * Runs one step on images of bytes in arrays, which are copied once; otherwise as {@link
   * #run(ByteBuffer, LongBuffer, LongBuffer, StepResult)}.
   *
   * @param images whole images of the input shape, uint8
   * @param labels as above
   * @param indices as above
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public void run(byte[] images, long[] labels, long[] indices, StepResult result) {
    long batch = batch(Arguments.notNull(images, RUN, "images").length, labels, indices);
    run(retort::run, images, labels, indices, null, batch, 0, result);
  }

  private long batch(long elements, long[] labels, long[] indices) {
    long batch = Arguments.batch(elements, RUN, sampleSize);
    Arguments.rows(labels, RUN, "labels", batch);
    Arguments.rows(indices, RUN, "indices", batch);
    return batch;
  }

  /** One of the bridge's functions for memory. */
  private interface MemoryStep<I, R> {
    void run(
        NativeTrainingStep step,
        I images,
        R labels,
        R indices,
        R contrast,
        double[] values,
        long batch,
        long contrastWidth,
        boolean channelsLast);
  }

  private <I, R> void run(
      MemoryStep<I, R> memoryStep,
      I images,
      R labels,
      R indices,
      R contrast,
      long batch,
      long contrastWidth,
      StepResult result) {
    double[] values = valuesOf(result, RUN);
    NativeTrainingStep step = handle.acquire();
    try {
      memoryStep.run(
          step, images, labels, indices, contrast, values, batch, contrastWidth, channelsLast);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    } finally {
      handle.release();
    }
  }

  /**
   * Runs one step on tensors.
   *
   * @param images as in {@link StepInput#of}
   * @param labels as in {@link StepInput#of}
   * @param indices as in {@link StepInput#indices}
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException as below
   * @throws IllegalStateException as below
   * @throws org.retort.RetortException as below
   */
  public void run(Tensor images, Tensor labels, Tensor indices, StepResult result) {
    run(images, labels, indices, null, result);
  }

  /**
   * Runs one step on tensors, with explicit rows to contrast with.
   *
   * @param images as in {@link StepInput#of}
   * @param labels as in {@link StepInput#of}
   * @param indices as in {@link StepInput#indices}
   * @param contrast as in {@link StepInput#contrast}
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException as below
   * @throws IllegalStateException as below
   * @throws org.retort.RetortException as below
   */
  public void run(
      Tensor images, Tensor labels, Tensor indices, Tensor contrast, StepResult result) {
    Arguments.tensor(images, RUN, "images");
    run(StepInput.of(images, labels).indices(indices).contrast(contrast), result);
  }

  /**
   * Runs one step with all tensors that a batch can have.
   *
   * @param input the tensors, on the student's device; all but the teacher's outputs may also be on
   *     the CPU
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException if an argument is null, a tensor undefined, or the result has
   *     no room for the terms
   * @throws IllegalStateException if a tensor or the step was closed
   * @throws org.retort.ShapeException if a tensor is missing or does not fit
   * @throws org.retort.NonFiniteException if the loss or a gradient is not finite
   * @throws org.retort.RetortException if a value is out of range, or LibTorch fails
   */
  public void run(StepInput input, StepResult result) {
    Arguments.notNull(input, RUN, "input");
    Tensor images = input.tensor("images", RUN);
    Tensor labels = input.tensor("labels", RUN);
    Tensor indices = input.tensor("indices", RUN);
    Tensor contrast = input.tensor("contrast", RUN);
    Tensor weights = input.tensor("weights", RUN);
    Tensor logits = input.tensor("teacher logits", RUN);
    try (TensorVector features =
        TensorLists.toVector(input.teacherFeatures(), RUN, "teacher features")) {
      double[] values = valuesOf(result, RUN);
      handle.use(
          step ->
              retort.run(
                  step, images, labels, indices, contrast, weights, logits, features, values));
    }
  }

  private double[] valuesOf(StepResult result, String function) {
    Arguments.notNull(result, function, "result");
    if (result.room() < mostTerms) { // not check(), whose array would be an allocation per step
      throw new IllegalArgumentException(
          function
              + ": result must have room for "
              + mostTerms
              + " terms (got room for "
              + result.room()
              + ")");
    }
    return result.values();
  }

  /**
   * With late results ({@link Builder#lateResults}), waits for the pending step and reports its
   * result.
   *
   * @param result overwritten if there is a result to report
   * @return whether there was a result to report: false if nothing has run since the last call, or
   *     without late results
   * @throws IllegalArgumentException if the result is null or has no room for the terms
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.NonFiniteException if the loss or a gradient of that step was not finite
   * @throws org.retort.RetortException if LibTorch has failed
   */
  public boolean finish(StepResult result) {
    double[] values = valuesOf(result, "TrainingStep.finish");
    return handle.ask(step -> retort.finish(step, values));
  }

  /**
   * Why steps do not run as a CUDA graph ({@link Builder#cudaGraph}): what can't be part of one, or
   * LibTorch's error when it was recorded.
   *
   * @return one line; empty if no obstacle is known
   * @throws IllegalStateException if the step was closed
   */
  public String graphObstacle() {
    return handle.ask(NativeTrainingStep::graph_obstacle);
  }

  /**
   * Publishes the student's weights as they are between two steps, for {@link Network#predict}; see
   * {@link Network#publish}. Waits for a running step.
   *
   * @throws IllegalStateException if the step was closed
   */
  public void publish() {
    handle.use(NativeTrainingStep::publish);
  }

  /**
   * Saves everything that a step changes, which is all that is needed to resume, to one file:
   * student, buffers, optimizer, accumulated gradients, losses, the teacher's running statistics if
   * they are updated, random state, counters and choice of formats. The write is atomic: a previous
   * file stays until the new one is synced. The cache of the teacher's outputs is not part of it.
   *
   * @param file where to write
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.FileException if it can't be written
   */
  public void save(Path file) {
    save(file, "");
  }

  /**
   * Writes a checkpoint as {@link #save(Path)} does, and with it a note, so that the caller's
   * position in the data always matches the state of the step.
   *
   * @param file where to write
   * @param note text that {@link #load} returns, for example the position in the epoch; at most 1
   *     MiB in UTF-8
   * @throws IllegalArgumentException if one of them is null
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.FileException if the file can't be written
   * @throws org.retort.RetortException if the note is too long
   */
  public void save(Path file, String note) {
    Arguments.notNull(file, "TrainingStep.save", "file");
    Arguments.notNull(note, "TrainingStep.save", "note");
    byte[] bytes = note.getBytes(StandardCharsets.UTF_8);
    handle.use(step -> retort.save(step, file.toString(), bytes, bytes.length));
  }

  /**
   * Resumes from a checkpoint: on the same machine, with the same number of threads and, if there
   * is one, the same file of the teacher's cache, the next steps compute the same bits as after
   * {@link #save}. Published weights stay as they are.
   *
   * @param file a file of a step with the same options
   * @return the note that was saved with it; empty if there was none
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.FileException if it is missing, damaged, not a checkpoint, of a newer
   *     format, or from a step with different options (the message names the first difference);
   *     nothing has changed then
   */
  public String load(Path file) {
    Arguments.notNull(file, "TrainingStep.load", "file");
    return handle.ask(
        step -> {
          try (BytePointer note = retort.load(step, file.toString())) {
            return note == null // JavaCPP returns null for an empty string
                ? ""
                : StandardCharsets.UTF_8.decode(note.asByteBuffer()).toString();
          }
        });
  }

  /**
   * The number of updates of the parameters.
   *
   * @return a count
   * @throws IllegalStateException if the step was closed
   */
  public long steps() {
    return handle.ask(NativeTrainingStep::steps);
  }

  /**
   * The stage that the next batch belongs to.
   *
   * @return its number, from 0
   * @throws IllegalStateException if the step was closed
   */
  public int stage() {
    return handle.ask(step -> (int) step.stage());
  }

  /**
   * The learning rate of the next update.
   *
   * @return the rate
   * @throws IllegalStateException if the step was closed
   */
  public double learningRate() {
    return handle.ask(NativeTrainingStep::learning_rate);
  }

  /**
   * The teacher's taps that terms use, each once, in the order of the terms.
   *
   * @return the names, immutable
   * @throws IllegalStateException if the step was closed
   */
  public List<String> teacherTaps() {
    return handle.ask(
        step -> {
          try (StringVector taps = step.teacher_taps()) {
            return StringLists.toList(taps);
          }
        });
  }

  /**
   * Everything that a step changes, by name: {@code student.NAME}, {@code terms.INDEX.NAME}, where
   * terms are counted through all stages, and of the stage's optimizer {@code
   * momentum.student.NAME}, {@code exp_avg.student.NAME} and so on.
   *
   * @return new tensors, which share the step's memory; the caller closes them
   * @throws IllegalStateException if the step was closed
   */
  public Map<String, Tensor> state() {
    return handle.ask(
        step -> {
          try (StringTensorDict state = step.state()) {
            return NamedTensors.toMap(state);
          }
        });
  }

  /** Frees the step once running calls have ended. Closing it again has no effect. */
  @Override
  public void close() {
    handle.close();
  }

  /**
   * Collects the options of a training step. Training begins with one stage; {@link #nextStage}
   * adds another, with its own losses, optimizer and trained parts.
   */
  public static final class Builder {
    private static final String NAME = "TrainingStep.Builder";

    private final Network student;
    private final Network teacher;
    private final List<Consumer<NativeStage>> stages = new ArrayList<>();
    private Consumer<NativeStage> stage = options -> {};
    private Consumer<NativeTrainingStepOptions> common = options -> {};
    private long[] inputShape;
    private boolean channelsLast;
    private int terms;
    private int mostTerms;

    private Builder(Network student, Network teacher) {
      this.student = student;
      this.teacher = teacher;
    }

    /**
     * Sets the shape of one image. Required.
     *
     * @param shape without the batch and channels first, for example 3, 32, 32
     * @return this builder
     * @throws IllegalArgumentException if a size is not positive
     */
    public Builder inputShape(long... shape) {
      Arguments.shape(shape, NAME + ".inputShape", "shape");
      inputShape = shape.clone();
      return this;
    }

    /**
     * Sets the weight of the plain cross-entropy with the labels, of this stage; 1 by default.
     *
     * @param weight at least 0 and finite; 0 trains without labels
     * @return this builder
     * @throws IllegalArgumentException if the weight is out of range
     */
    public Builder crossEntropy(double weight) {
      Arguments.notNegative(weight, NAME + ".crossEntropy", "weight");
      return crossEntropy(CrossEntropy.weight(weight));
    }

    /**
     * Sets the cross-entropy with the labels, of this stage; the plain one with a weight of 1 by
     * default.
     *
     * @param crossEntropy the cross-entropy
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder crossEntropy(CrossEntropy crossEntropy) {
      Arguments.notNull(crossEntropy, NAME + ".crossEntropy", "cross-entropy");
      return ofStage(options -> crossEntropy.writeTo(options.cross_entropy()));
    }

    /**
     * Adds a distillation loss on logits to this stage.
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
     * Adds a distillation loss on features to this stage.
     *
     * @param weight at least 0 and finite
     * @param loss the loss
     * @param taps the features that it compares
     * @return this builder
     * @throws IllegalArgumentException if the weight is out of range or an argument is null
     */
    public Builder add(double weight, DistillationLoss loss, Taps taps) {
      return add(weight, loss, taps, Schedule.constant());
    }

    /**
     * Adds a distillation loss to this stage, with a weight that follows a schedule.
     *
     * @param weight at least 0 and finite
     * @param loss the loss
     * @param taps the features that it compares; none for a loss on logits
     * @param schedule what the weight is multiplied by
     * @return this builder
     * @throws IllegalArgumentException if the weight is out of range or an argument is null
     */
    public Builder add(double weight, DistillationLoss loss, Taps taps, Schedule schedule) {
      String function = NAME + ".add";
      Arguments.notNegative(weight, function, "weight");
      Arguments.notNull(loss, function, "loss");
      Arguments.notNull(taps, function, "taps");
      Arguments.notNull(schedule, function, "schedule");
      int index = terms++;
      mostTerms = Math.max(mostTerms, terms);
      return ofStage(
          options -> {
            NativeTermVector all = options.terms();
            all.resize(index + 1);
            NativeTerm term = all.get(index).weight(weight).criterion(loss.nativeOptions());
            StringLists.give(taps.student(), term::student_taps);
            StringLists.give(taps.teacher(), term::teacher_taps);
            schedule.giveTo(term::schedule);
          });
    }

    /**
     * Sets the optimizer of this stage; SGD with a learning rate of 0.1 by default.
     *
     * @param optimizer the optimizer
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder optimizer(Optimizer optimizer) {
      Arguments.notNull(optimizer, NAME + ".optimizer", "optimizer");
      return ofStage(options -> options.optimizer(optimizer.nativeOptions()));
    }

    /**
     * Trains only parts of the student in this stage; all of it by default. The others stay as they
     * are, and modules among them are in evaluation mode. Parameters of the losses are always
     * trained.
     *
     * @param parts names of the student's parameters or modules, for example {@code layer1}
     * @return this builder
     * @throws IllegalArgumentException if there is no name or one is null
     */
    public Builder train(String... parts) {
      List<String> names = Arguments.list(parts, NAME + ".train", "parts");
      check(!names.isEmpty(), "%s.train: parts must be at least one (got none)", NAME);
      return ofStage(options -> StringLists.give(names, options::trained));
    }

    /**
     * Ends this stage after a number of updates and begins the next one: the calls that follow set
     * its losses, optimizer and trained parts, which start from the defaults.
     *
     * @param steps number of updates of the stage that ends, positive
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder nextStage(long steps) {
      Arguments.atLeast(steps, 1, NAME + ".nextStage", "steps");
      stages.add(stage.andThen(options -> options.steps(steps)));
      stage = options -> {};
      terms = 0;
      return this;
    }

    /**
     * Sets the number of batches whose mean gradient makes one update; 1 by default.
     *
     * @param batches at least 1
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder accumulate(long batches) {
      Arguments.atLeast(batches, 1, NAME + ".accumulate", "batches");
      return with(options -> options.accumulate(batches));
    }

    /**
     * Limits the norm of all gradients together, as {@code torch.nn.utils.clip_grad_norm_} does; no
     * limit by default.
     *
     * @param limit positive and finite
     * @return this builder
     * @throws IllegalArgumentException if the limit is out of range
     */
    public Builder clipNorm(double limit) {
      Arguments.positive(limit, NAME + ".clipNorm", "limit");
      return with(options -> options.clip_norm(limit));
    }

    /**
     * Limits the absolute value of each element of a gradient, before {@link #clipNorm}; no limit
     * by default.
     *
     * @param limit positive and finite
     * @return this builder
     * @throws IllegalArgumentException if the limit is out of range
     */
    public Builder clipValue(double limit) {
      Arguments.positive(limit, NAME + ".clipValue", "limit");
      return with(options -> options.clip_value(limit));
    }

    /**
     * Skips a batch whose loss or gradient is not finite, with {@link StepResult#skipped} set,
     * instead of throwing a {@link org.retort.NonFiniteException}.
     *
     * @return this builder
     */
    public Builder skipNonFinite() {
      return with(options -> options.skip_non_finite(true));
    }

    /**
     * Sets whether steps are asynchronous: {@code run} returns once its work is enqueued on the
     * device, and reports the result of the previous step, or one of 0 samples if there was none.
     * If that step has failed, {@code run} throws its error and ignores the new batch. {@link
     * #finish} waits for the last step. Useful on a GPU; off by default.
     *
     * <p>While a step is pending, BatchNorm's statistics may be those of a step that will fail;
     * parameters never are. All methods of this class, {@link #publish}, {@link #save}, {@link
     * #state} and {@link #close} among them, and those of the networks wait for the pending step
     * first. Until then, another step that shares the student throws.
     *
     * @param late whether results are late
     * @return this builder
     */
    public Builder lateResults(boolean late) {
      return with(options -> options.late_results(late));
    }

    /**
     * Sets whether a step on a GPU is recorded as a CUDA graph once three consecutive batches have
     * had the same tensors with the same shapes, and replayed for further batches of this kind,
     * which takes a fraction of the CPU time; off by default. Other batches run without the graph.
     * The learning rate is rounded to float32.
     *
     * <p>A graph does not support several batches per update, a cache of the teacher's outputs,
     * teacher outputs that come with the batch, CRD's Z as a moving average, or networks that draw
     * random numbers (dropout), wait for the device or change attributes of their own. {@link
     * #graphObstacle} reports which; {@link StepResult#graph} reports whether a step ran as a
     * graph.
     *
     * @param graph whether to record
     * @return this builder; {@link #build} throws if the student is not on a GPU
     */
    public Builder cudaGraph(boolean graph) {
      return with(options -> options.cuda_graph(graph));
    }

    /**
     * Sets how the maps of both networks lie in memory; contiguous by default.
     *
     * @param format the format
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder memoryFormat(MemoryFormat format) {
      Arguments.notNull(format, NAME + ".memoryFormat", "format");
      return studentFormat(format).teacherFormat(format);
    }

    /**
     * Sets how the student's maps lie in memory; contiguous by default.
     *
     * @param format the format
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder studentFormat(MemoryFormat format) {
      Arguments.notNull(format, NAME + ".studentFormat", "format");
      return with(options -> options.student_format(format.nativeFormat));
    }

    /**
     * Sets how the teacher's maps lie in memory; contiguous by default.
     *
     * @param format the format
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder teacherFormat(MemoryFormat format) {
      Arguments.notNull(format, NAME + ".teacherFormat", "format");
      return with(options -> options.teacher_format(format.nativeFormat));
    }

    /**
     * Sets the arithmetic of the student's forward pass; that of its dtype by default.
     *
     * @param precision the precision
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder studentPrecision(Precision precision) {
      Arguments.notNull(precision, NAME + ".studentPrecision", "precision");
      return with(options -> options.student_precision(precision.nativePrecision));
    }

    /**
     * Sets the arithmetic of the teacher's forward pass; that of its dtype by default.
     *
     * @param precision the precision
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder teacherPrecision(Precision precision) {
      Arguments.notNull(precision, NAME + ".teacherPrecision", "precision");
      return with(options -> options.teacher_precision(precision.nativePrecision));
    }

    /**
     * Sets the mode of the teacher's BatchNorms; evaluation by default.
     *
     * @param mode the mode
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder teacherBatchNorm(TeacherBatchNorm mode) {
      Arguments.notNull(mode, NAME + ".teacherBatchNorm", "mode");
      return with(options -> options.teacher_batch_norm(mode.nativeMode));
    }

    /**
     * Caches the teacher's outputs in memory, keyed by the samples' rows in the data set, so that
     * each output is computed once. Requires data without augmentation and a teacher that does not
     * change; each step then needs indices.
     *
     * @param samples number of rows of the data set, positive
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder cacheTeacher(long samples) {
      Arguments.atLeast(samples, 1, NAME + ".cacheTeacher", "samples");
      return with(options -> options.teacher_cache().samples(samples));
    }

    /**
     * Caches the teacher's outputs in a file, for later processes; otherwise as {@link
     * #cacheTeacher(long)}.
     *
     * @param samples number of rows of the data set, positive
     * @param file belongs to one teacher, data set, selection of taps and preparation of images; of
     *     the data set only the number of rows is checked. Created if it is missing.
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range or the file is null
     */
    public Builder cacheTeacher(long samples, Path file) {
      Arguments.notNull(file, NAME + ".cacheTeacher", "file");
      return cacheTeacher(samples).with(options -> options.teacher_cache().file(file.toString()));
    }

    /**
     * Normalises images: channel c becomes {@code (value − mean[c]) / deviation[c]}, where bytes
     * are divided by 255 first. By default the images are normalised already.
     *
     * @param mean finite, one for each channel or one for all, for example CIFAR-100's 0.5071,
     *     0.4867, 0.4408
     * @param deviation positive and finite, the same number of values
     * @return this builder
     * @throws IllegalArgumentException if an array is null or empty, the two differ in length, or a
     *     value is out of range
     */
    public Builder normalize(double[] mean, double[] deviation) {
      String function = NAME + ".normalize";
      double[] means = Arguments.notNull(mean, function, "mean").clone();
      double[] deviations = Arguments.notNull(deviation, function, "deviation").clone();
      check(
          means.length > 0 && means.length == deviations.length,
          "%s: mean and deviation must have the same length, at least 1 (got %s and %s)",
          function,
          means.length,
          deviations.length);
      for (int i = 0; i < means.length; i++) {
        check(Double.isFinite(means[i]), "%s: mean must be finite (got %s)", function, means[i]);
        Arguments.positive(deviations[i], function, "deviation");
      }
      return with(
          options ->
              options
                  .images()
                  .mean(new DoubleVector(means))
                  .deviation(new DoubleVector(deviations)));
    }

    /**
     * Takes images as [B, height, width, channels] instead of [B, channels, height, width].
     *
     * @return this builder
     */
    public Builder imagesChannelsLast() {
      channelsLast = true;
      return with(options -> options.images().channels_last(true));
    }

    /**
     * Builds the step: probes both networks with the input shape, builds the losses for the shapes
     * of their taps and prepares the optimizers of all stages.
     *
     * @return a new step, which the caller closes
     * @throws IllegalArgumentException if the input shape is missing
     * @throws IllegalStateException if a network was closed
     * @throws org.retort.ShapeException if a loss does not fit its taps, or images their options
     * @throws org.retort.FileException if the cache file is not a cache or belongs to another
     *     teacher
     * @throws org.retort.RetortException if an option is out of range, a tap or a named part does
     *     not exist, a network does not return logits and features, or nothing is left to train
     */
    @SuppressWarnings("try") // the scope works by being open
    public TrainingStep build() {
      Arguments.notNull(inputShape, NAME + ".build", "input shape");
      try (PointerScope scope = new PointerScope()) {
        NativeTrainingStepOptions options = new NativeTrainingStepOptions();
        share(student, options::student);
        if (teacher != null) {
          share(teacher, options::teacher);
        }
        options.input_shape(new LongVector(inputShape));
        common.accept(options);
        List<Consumer<NativeStage>> all = new ArrayList<>(stages);
        all.add(stage);
        NativeStageVector later = options.later_stages();
        later.resize(stages.size());
        for (int i = 0; i < all.size(); i++) {
          all.get(i).accept(i == 0 ? options : later.get(i - 1));
        }
        return new TrainingStep(
            new NativeTrainingStep(options),
            LongStream.of(inputShape).reduce(1, Math::multiplyExact),
            channelsLast,
            mostTerms);
      } catch (RuntimeException error) {
        throw Errors.translate(error);
      }
    }

    private Builder ofStage(Consumer<NativeStage> setting) {
      stage = stage.andThen(setting);
      return this;
    }

    private Builder with(Consumer<NativeTrainingStepOptions> setting) {
      common = common.andThen(setting);
      return this;
    }

    /**
     * Lets the options share a network. Its handle is held only meanwhile, since another step may
     * acquire the same networks in reverse order.
     */
    private static void share(Network network, Consumer<NativeNetwork> options) {
      network.nativeHandle().use(options);
    }
  }
}
