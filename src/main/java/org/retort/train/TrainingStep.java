package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.jspecify.annotations.Nullable;
import org.retort.bindings.NativeTrainingStep;
import org.retort.bindings.global.retort;
import org.retort.data.Batch;
import org.retort.distributed.Ranks;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.FlightRecorder;
import org.retort.internal.NamedTensors;
import org.retort.internal.NativeFiles;
import org.retort.internal.NativeHandle;
import org.retort.internal.PublishEvent;
import org.retort.internal.StringLists;
import org.retort.models.Network;

/**
 * Trains a student with one or more teachers: one native call runs the teachers' and the student's
 * forward passes, the weighted losses, the backward pass, checks, clipping and the optimizer.
 *
 * <p>Teachers run without gradients, the student in training mode; the modes of all networks are
 * restored. Calls on one step are serialised; several steps run concurrently, unless they share a
 * network.
 *
 * <p>A step is a transaction: it commits, or it fails and is rolled back. Rolling back restores,
 * bit for bit, parameters, buffers, optimizer, accumulated gradients, losses, teachers' caches, the
 * default generator and the counters.
 *
 * <p>With several ranks ({@link TrainingStepBuilder#ranks}), every rank builds the same step, with
 * networks of the same kind, and calls {@link #run(Batch, StepResult) run}, {@link #save(Path)
 * save}, {@link #checkpoint} and {@link #load(Path) load} as often as all others, each with its own
 * part of the batch. Parts may differ in size. The student, the losses and the optimizer start out
 * as those of rank 0. Gradients are summed over the ranks, and every loss is that of the whole
 * batch, so the parameters stay bit-identical on all ranks, and agree with those of one process
 * that is given the whole batch, except for rounding, BatchNorms ({@link BatchNormOver#OWN_BATCH})
 * and layers that draw random numbers. A step commits on all ranks or on none. If it fails on one
 * rank, the others throw a {@link org.retort.RankException} with the reason, and the next step runs
 * as usual. If a rank is gone or does not respond within the timeout, all others throw a {@code
 * RankException}, in this step and all later ones; resume from the last checkpoint then.
 *
 * <p>The step shares networks and ranks: it stays usable after they are closed.
 */
public final class TrainingStep implements AutoCloseable {
  private static final String RUN = "TrainingStep.run";
  private static final String SAVE = "TrainingStep.save";
  private static final String LOAD = "TrainingStep.load";

  private final Network student;
  private final Optional<Ranks> ranks;
  private final NativeHandle<NativeTrainingStep> handle;
  private final long[] imageShape; // in memory order
  private final long sampleSize;
  private final boolean channelsLast;
  private final int mostTerms;
  private final List<String> teachers;

  TrainingStep(
      Network student,
      Optional<Ranks> ranks,
      List<String> teachers,
      NativeTrainingStep step,
      long[] inputShape,
      boolean channelsLast,
      int mostTerms) {
    this.student = student;
    this.ranks = ranks;
    this.teachers = teachers;
    handle = new NativeHandle<>("TrainingStep", step);
    imageShape = inputShape.clone();
    if (channelsLast) {
      System.arraycopy(inputShape, 1, imageShape, 0, inputShape.length - 1);
      imageShape[inputShape.length - 1] = inputShape[0];
    }
    sampleSize = LongStream.of(inputShape).reduce(1, Math::multiplyExact);
    this.channelsLast = channelsLast;
    this.mostTerms = mostTerms;
  }

  /**
   * Starts building a training step without a teacher. Terms on logits are possible if each batch
   * includes the teacher's logits ({@link StepInput#withTeacher}).
   *
   * @param student the network to train
   * @return a new builder
   * @throws IllegalArgumentException if the network is null
   */
  public static TrainingStepBuilder builder(Network student) {
    return new TrainingStepBuilder(
        Arguments.notNull(student, "TrainingStep.builder", "student"), List.of());
  }

  /**
   * Starts building a training step.
   *
   * @param student the network to train
   * @param teacher the network to learn from
   * @return a new builder
   * @throws IllegalArgumentException if a network is null
   */
  public static TrainingStepBuilder builder(Network student, Network teacher) {
    return builder(
        student, Teacher.of(Arguments.notNull(teacher, "TrainingStep.builder", "teacher")));
  }

  /**
   * Starts building a training step with options for the teacher, or with several teachers. A step
   * runs those that the terms of its stage learn from, each once.
   *
   * @param student the network to train
   * @param teachers the networks to learn from, each with a unique name
   * @return a new builder
   * @throws IllegalArgumentException if an argument is null, or two teachers have the same name
   */
  public static TrainingStepBuilder builder(Network student, Teacher... teachers) {
    String function = "TrainingStep.builder";
    Arguments.notNull(student, function, "student");
    List<Teacher> all = Arguments.list(teachers, function, "teachers");
    Set<String> names = new HashSet<>();
    for (Teacher teacher : all) {
      check(
          names.add(teacher.name()),
          "%s: teachers must have names of their own (got %s twice)",
          function,
          teacher.name());
    }
    return new TrainingStepBuilder(student, all);
  }

  /**
   * Starts building a training step with a teacher's stored outputs; see {@link
   * Teacher#of(StoredOutputs)}.
   *
   * @param student the network to train
   * @param teacher the outputs to learn from, which the step shares once built; they may then be
   *     closed
   * @return a new builder
   * @throws IllegalArgumentException if an argument is null
   */
  public static TrainingStepBuilder builder(Network student, StoredOutputs teacher) {
    return builder(
        student, Teacher.of(Arguments.notNull(teacher, "TrainingStep.builder", "teacher")));
  }

  /**
   * Returns the network that the step trains.
   *
   * @return the object that was passed to {@link #builder(Network)}
   */
  public Network student() {
    return student;
  }

  /**
   * Returns the ranks that train with this one.
   *
   * @return the object that was passed to {@link TrainingStepBuilder#ranks}; empty if there was
   *     none
   */
  public Optional<Ranks> ranks() {
    return ranks;
  }

  /** Returns whether this process reads and writes files for all. */
  private boolean isFirst() {
    return ranks.isEmpty() || ranks.get().isFirst();
  }

  /**
   * Tells the other ranks that this one can't continue: the call of this step that they are waiting
   * in throws. The step reports its own errors to them itself.
   */
  void fail(String reason) {
    handle.use(step -> step.fail(reason));
  }

  /**
   * Creates a result to be reused for every step.
   *
   * @return a new result with room for the terms of any stage
   * @throws IllegalStateException if the step was closed
   */
  public StepResult newResult() {
    return handle.ask(open -> new StepResult(mostTerms));
  }

  /**
   * Runs one step on a batch, which is read without copying.
   *
   * @param batch images of the input shape; labels may be {@link Batch#UNLABELED}
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException if an argument is null, the images are not of the input shape,
   *     or the result has no room for the terms
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.RetortException as {@link #run(StepInput, StepResult)}
   */
  public void run(Batch batch, StepResult result) {
    Arguments.notNull(batch, RUN, "batch");
    runBuffers(batch.images(), batch.labels(), batch.indices(), null, result);
  }

  /**
   * Runs one step on images in memory, which are read without copying: short for {@link
   * #run(StepInput, StepResult)}. Each buffer is read from its position to its limit and must not
   * change during the call.
   *
   * @param images a direct buffer of whole images of the input shape, float32
   * @param labels a direct buffer with one class per image, or −1 for an image without a label,
   *     which is used by the distillation terms only; may be null if the weight of the
   *     cross-entropy is 0
   * @param indices a direct buffer with each image's row in the data set; may be null unless a term
   *     or the teacher's cache or stored outputs need them
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException if a buffer is null, not direct, not in native byte order or
   *     of the wrong size, or the result has no room for the terms
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.RetortException as below
   */
  public void run(
      FloatBuffer images,
      @Nullable LongBuffer labels,
      @Nullable LongBuffer indices,
      StepResult result) {
    runBuffers(images, labels, indices, null, result);
  }

  /**
   * Runs one step on tensors: short for {@link #run(StepInput, StepResult)}.
   *
   * @param images as in {@link StepInput#of(Tensor, Tensor)}
   * @param labels as in {@link StepInput#of(Tensor, Tensor)}
   * @param indices as in {@link StepInput#withIndices(Tensor)}
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException as below
   * @throws IllegalStateException as below
   * @throws org.retort.RetortException as below
   */
  public void run(
      Tensor images, @Nullable Tensor labels, @Nullable Tensor indices, StepResult result) {
    Arguments.tensor(images, RUN, "images");
    run(StepInput.of(images, labels).withIndices(indices), result);
  }

  /**
   * Runs one step on an input, which can have all parts of a batch.
   *
   * @param input buffers, arrays, or tensors on the student's device or, except for the teacher's
   *     features, on the CPU
   * @param result overwritten if the step succeeds
   * @throws IllegalArgumentException if an argument is null, a tensor undefined, a buffer not
   *     direct, not in native byte order or of the wrong size, or the result has no room for the
   *     terms
   * @throws IllegalStateException if a tensor or the step was closed
   * @throws org.retort.ShapeException if a tensor is missing or does not fit, or images in memory
   *     are given to a student that is not float32
   * @throws org.retort.NonFiniteException if the loss or a gradient is not finite
   * @throws org.retort.FileException if the file of the teacher's cache can't be read or written,
   *     or a row of its stored outputs is missing or damaged
   * @throws org.retort.RankException if the step has failed on another rank, or a rank is gone or
   *     at another step
   * @throws org.retort.RetortException if a label, a row or a weight is out of range, or LibTorch
   *     fails
   */
  public void run(StepInput input, StepResult result) {
    Arguments.notNull(input, RUN, "input");
    if (input.isInBuffers()) {
      runBuffers(
          (Buffer) input.images(),
          (LongBuffer) input.labels(),
          (LongBuffer) input.indices(),
          (LongBuffer) input.contrast(),
          result);
    } else if (input.isInArrays()) {
      runArrays(
          input.images(),
          (long[]) input.labels(),
          (long[]) input.indices(),
          (long[]) input.contrast(),
          result);
    } else {
      runTensors(input, result);
    }
  }

  private void runBuffers(
      Buffer images,
      @Nullable LongBuffer labels,
      @Nullable LongBuffer indices,
      @Nullable LongBuffer contrast,
      StepResult result) {
    long batch =
        images instanceof ByteBuffer bytes
            ? Arguments.batch(bytes, RUN, sampleSize)
            : Arguments.batch((FloatBuffer) images, RUN, sampleSize);
    Arguments.rows(labels, RUN, "labels", batch);
    Arguments.rows(indices, RUN, "indices", batch);
    long width = contrast == null ? 0 : Arguments.contrastWidth(contrast.remaining(), batch);
    Arguments.rows(contrast, RUN, "contrast", batch * width);
    if (images instanceof ByteBuffer bytes) {
      runMemory(retort::run, bytes, labels, indices, contrast, batch, width, result);
    } else {
      FloatBuffer floats = (FloatBuffer) images;
      runMemory(retort::run, floats, labels, indices, contrast, batch, width, result);
    }
  }

  private void runArrays(
      Object images, long[] labels, long[] indices, long[] contrast, StepResult result) {
    int elements = images instanceof byte[] bytes ? bytes.length : ((float[]) images).length;
    long batch = Arguments.batch(elements, RUN, sampleSize);
    Arguments.rows(labels, RUN, "labels", batch);
    Arguments.rows(indices, RUN, "indices", batch);
    long width = contrast == null ? 0 : Arguments.contrastWidth(contrast.length, batch);
    Arguments.rows(contrast, RUN, "contrast", batch * width);
    if (images instanceof byte[] bytes) {
      runMemory(retort::run, bytes, labels, indices, contrast, batch, width, result);
    } else {
      float[] floats = (float[]) images;
      runMemory(retort::run, floats, labels, indices, contrast, batch, width, result);
    }
  }

  /** One of the bridge's functions that read memory. */
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

  private <I, R> void runMemory(
      MemoryStep<I, R> memoryStep,
      I images,
      R labels,
      R indices,
      R contrast,
      long batch,
      long width,
      StepResult result) {
    double[] values = valuesOf(result, RUN);
    StepEvent event = FlightRecorder.isAvailable() ? StepEvent.start() : null;
    NativeTrainingStep step = handle.acquire(); // not use(), whose lambda would be garbage
    try {
      memoryStep.run(step, images, labels, indices, contrast, values, batch, width, channelsLast);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    } finally {
      handle.release();
    }
    if (event != null) {
      event.commit(result);
    }
  }

  @SuppressWarnings("try") // the scope only needs to be open
  private void runTensors(StepInput input, StepResult result) {
    try (PointerScope scope = new PointerScope()) {
      InputTensors tensors = new InputTensors(RUN, imageShape, sampleSize);
      Tensor images = tensors.images(input.images());
      long batch = images.dim() == 0 ? 0 : images.size(0);
      Tensor labels = tensors.rows(input.labels(), "labels", batch);
      Tensor indices = tensors.rows(input.indices(), "indices", batch);
      Tensor contrast = tensors.contrast(input.contrast(), batch);
      Tensor weights = tensors.weights(input.weights(), batch);
      long[] counts = new long[input.teachers().isEmpty() ? 0 : teachers.size()];
      TensorVector outputs = outputsOfTeachers(input, tensors, batch, counts);
      LongVector outputsOfTeachers = new LongVector(counts);
      double[] values = valuesOf(result, RUN);
      StepEvent event = FlightRecorder.isAvailable() ? StepEvent.start() : null;
      handle.use(
          step ->
              retort.run(
                  step,
                  images,
                  labels,
                  indices,
                  contrast,
                  weights,
                  outputs,
                  outputsOfTeachers,
                  values));
      if (event != null) {
        event.commit(result);
      }
    }
  }

  /** Lists the given outputs in the order of the teachers, and counts those of each. */
  private TensorVector outputsOfTeachers(
      StepInput input, InputTensors tensors, long batch, long[] counts) {
    for (String name : input.teachers().keySet()) {
      place(name, RUN);
    }
    List<Tensor> all = new ArrayList<>();
    for (int i = 0; i < counts.length; i++) {
      String name = teachers.get(i);
      StepInput.GivenOutputs given = input.teachers().get(name);
      if (given == null && teachers.size() == 1) {
        given = input.teachers().get(StepInput.ONLY);
      }
      if (given != null) {
        all.add(tensors.logits(given.logits(), batch));
        all.addAll(Arrays.asList(Arguments.tensors(given.features(), RUN, "teacher features")));
        counts[i] = 1L + given.features().size();
      }
    }
    return new TensorVector(all.toArray(Tensor[]::new));
  }

  /** Returns the index of a teacher, whose name may be omitted if it is the only one. */
  private int place(String name, String function) {
    if (name.equals(StepInput.ONLY)) {
      check(
          teachers.size() == 1,
          "%s: teacher must be named where there are several, %s (got no name)",
          function,
          String.join(", ", teachers));
      return 0;
    }
    check(
        teachers.contains(name),
        "%s: teacher must be one of %s (got %s)",
        function,
        String.join(", ", teachers),
        name);
    return teachers.indexOf(name);
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
   * With late results ({@link TrainingStepBuilder#lateResults}), waits for the pending step and
   * reports its result.
   *
   * @param result overwritten if there is a result to report
   * @return whether there was a result to report: false if no step has run since the last call, or
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
   * Returns why steps do not run as a CUDA graph ({@link TrainingStepBuilder#cudaGraph}): the
   * feature that can't be part of one, or LibTorch's error when recording it.
   *
   * @return one line; empty if no obstacle is known
   * @throws IllegalStateException if the step was closed
   */
  public String graphObstacle() {
    return handle.ask(NativeTrainingStep::graph_obstacle);
  }

  /**
   * Publishes the student's weights as they are between steps, for {@link Network#predict}; see
   * {@link Network#publish}. Waits for a running step.
   *
   * @throws IllegalStateException if the step was closed
   */
  public void publish() {
    PublishEvent event = FlightRecorder.isAvailable() ? PublishEvent.start() : null;
    handle.use(NativeTrainingStep::publish);
    if (event != null) {
      event.commit(student.getClass().getSimpleName());
    }
  }

  /**
   * Saves everything that a step changes, which is all that is needed to resume, to a file:
   * student, buffers, optimizer, accumulated gradients, losses, a teacher's running statistics if
   * they are updated, random state, counters and the chosen memory formats. The write is atomic: a
   * previous file stays until the new one is synced. In a file system other than the default, it
   * stays until the new one is complete. Caches of teachers' outputs are not part of the
   * checkpoint. With several ranks, rank 0 writes; the others must call this, too, to contribute
   * their random states.
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
   * Writes a checkpoint as {@link #save(Path)} does, together with a note, so that the caller's
   * position in the data always matches the state of the step.
   *
   * @param file where to write
   * @param note text that {@link #load} returns, for example the position in the epoch; at most 1
   *     MiB in UTF-8
   * @throws IllegalArgumentException if an argument is null
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.FileException if the file can't be written
   * @throws org.retort.RetortException if the note is too long
   */
  public void save(Path file, String note) {
    byte[] bytes = bytesOf(SAVE, note);
    if (!isFirst()) {
      Arguments.notNull(file, SAVE, "file");
      checkpoint(note).close();
      return;
    }
    CheckpointEvent event = FlightRecorder.isAvailable() ? CheckpointEvent.start() : null;
    NativeFiles.save(
        SAVE,
        file,
        path -> handle.use(step -> retort.save(step, path, bytes, bytes.length)),
        memory -> handle.use(step -> retort.save(step, memory, bytes, bytes.length)));
    if (event != null) {
      event.commit(file);
    }
  }

  /**
   * Copies what {@link #save(Path, String)} writes, so that another thread can write it while
   * further steps run. Waits for a running step, then takes as long as the copy: about 1 ms for a
   * ResNet-20 with momentum, less than 1 % of its step on a batch of 64 on a CPU.
   *
   * @param note as in {@link #save(Path, String)}
   * @return a new checkpoint, which the caller closes
   * @throws IllegalArgumentException if the note is null
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.RetortException if the note is too long, or memory is insufficient
   */
  public StepCheckpoint checkpoint(String note) {
    byte[] bytes = bytesOf("TrainingStep.checkpoint", note);
    return new StepCheckpoint(handle.ask(step -> retort.checkpoint(step, bytes, bytes.length)));
  }

  /**
   * Writes a checkpoint to a stream as {@link #save(Path)} does, without a note.
   *
   * @param stream as in {@link #save(OutputStream, String)}
   * @throws IllegalArgumentException as there
   * @throws IllegalStateException as there
   * @throws org.retort.FileException as there
   */
  public void save(OutputStream stream) {
    save(stream, "");
  }

  /**
   * Writes a checkpoint to a stream as {@link #save(Path, String)} does. Steps do not wait for the
   * stream: they continue in the meantime.
   *
   * @param stream where to write; flushed, but not closed
   * @param note as above
   * @throws IllegalArgumentException if an argument is null
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.FileException if the stream throws an {@link java.io.IOException}, which is
   *     the cause
   * @throws org.retort.RetortException if the note is too long
   */
  public void save(OutputStream stream, String note) {
    byte[] bytes = bytesOf(SAVE, note);
    if (!isFirst()) {
      Arguments.notNull(stream, SAVE, "stream");
      checkpoint(note).close();
      return;
    }
    NativeFiles.save(
        SAVE, stream, memory -> handle.use(step -> retort.save(step, memory, bytes, bytes.length)));
  }

  private static byte[] bytesOf(String function, String note) {
    return Arguments.notNull(note, function, "note").getBytes(StandardCharsets.UTF_8);
  }

  /**
   * Resumes from a checkpoint: on the same machine, with the same number of threads and, if there
   * is one, the same file of each teacher's cache, the next steps compute the same bits as after
   * {@link #save}. Published weights are not changed. With several ranks, rank 0 reads the file and
   * sends it to the others. Any number of ranks may resume; the same number as saved computes the
   * same bits.
   *
   * @param file a file saved by a step with the same options, in any file system
   * @return the note that was saved with it; empty if there was none
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.FileException if it is missing, damaged, not a checkpoint, of a newer
   *     format, or from a step with different options (the message names the first option that
   *     differs, and both values); nothing is changed then
   */
  public String load(Path file) {
    if (!isFirst()) {
      Arguments.notNull(file, LOAD, "file");
      return loadOfFirst();
    }
    return NativeFiles.load(
        LOAD,
        file,
        path -> handle.ask(step -> StringLists.text(retort.load(step, path))),
        memory -> handle.ask(step -> StringLists.text(retort.load(step, memory))));
  }

  /**
   * Resumes from a stream as {@link #load(Path)} does. The stream is read to its end before
   * anything else happens.
   *
   * @param stream the stream to read; not closed
   * @return as above
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.FileException as above, or if the stream throws an {@link
   *     java.io.IOException}, which is the cause
   */
  public String load(InputStream stream) {
    if (!isFirst()) {
      Arguments.notNull(stream, LOAD, "stream");
      return loadOfFirst();
    }
    return NativeFiles.load(
        LOAD, stream, memory -> handle.ask(step -> StringLists.text(retort.load(step, memory))));
  }

  /**
   * Resumes from memory as {@link #load(Path)} does.
   *
   * @param bytes the whole content of a file
   * @return as above
   * @throws IllegalArgumentException if they are null
   * @throws IllegalStateException if the step was closed
   * @throws org.retort.FileException as above
   */
  public String load(byte[] bytes) {
    return NativeFiles.load(
        LOAD, bytes, memory -> handle.ask(step -> StringLists.text(retort.load(step, memory))));
  }

  /** Resumes from what rank 0 reads. */
  String loadOfFirst() {
    return load(new byte[0]);
  }

  /**
   * Returns the number of updates of the parameters.
   *
   * @return a count
   * @throws IllegalStateException if the step was closed
   */
  public long steps() {
    return handle.ask(NativeTrainingStep::steps);
  }

  /**
   * Returns the stage that the next batch belongs to.
   *
   * @return its number, from 0
   * @throws IllegalStateException if the step was closed
   */
  public int stage() {
    return handle.ask(step -> (int) step.stage());
  }

  /**
   * Returns the learning rate of the next update.
   *
   * @return the rate
   * @throws IllegalStateException if the step was closed
   */
  public double learningRate() {
    return handle.ask(NativeTrainingStep::learning_rate);
  }

  /**
   * Returns the taps of the step's only teacher that terms use, each once, in the order of the
   * terms.
   *
   * @return the names, immutable
   * @throws IllegalArgumentException if there are several teachers
   * @throws IllegalStateException if the step was closed
   */
  public List<String> teacherTaps() {
    return teacherTaps(StepInput.ONLY);
  }

  /**
   * Returns the taps of a teacher that terms use, each once, in the order of the terms.
   *
   * @param teacher its {@link Teacher#name}
   * @return the names, immutable
   * @throws IllegalArgumentException if it is null or there is no such teacher
   * @throws IllegalStateException if the step was closed
   */
  public List<String> teacherTaps(String teacher) {
    String function = "TrainingStep.teacherTaps";
    String name = teachers.get(place(Arguments.notNull(teacher, function, "teacher"), function));
    return handle.ask(
        step -> {
          try (StringVector taps = step.teacher_taps(name)) {
            return StringLists.toList(taps);
          }
        });
  }

  /**
   * Returns everything that a step changes, by name: {@code student.NAME}, {@code
   * terms.INDEX.NAME}, where terms are counted across all stages, and for the stage's optimizer
   * {@code momentum.student.NAME}, {@code exp_avg.student.NAME} and so on.
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

  /** Frees the step once running calls have ended. Closing again has no effect. */
  @Override
  public void close() {
    handle.close();
  }
}
