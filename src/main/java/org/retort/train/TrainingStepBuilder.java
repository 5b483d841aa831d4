package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongVector;
import org.retort.bindings.NativeFileName;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativeStageVector;
import org.retort.bindings.NativeTeacherOptions;
import org.retort.bindings.NativeTeacherOptionsVector;
import org.retort.bindings.NativeTrainingStep;
import org.retort.bindings.NativeTrainingStepOptions;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeBatchNormOver;
import org.retort.bindings.global.retort.NativeMemoryFormat;
import org.retort.bindings.global.retort.NativePrecision;
import org.retort.bindings.global.retort.NativeTeacherBatchNorm;
import org.retort.distributed.Ranks;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeEnums;
import org.retort.internal.NativeFiles;
import org.retort.internal.NativeNetworks;
import org.retort.internal.NativePreprocessings;
import org.retort.internal.RanksSharing;
import org.retort.losses.DistillationLoss;
import org.retort.models.Convolution;
import org.retort.models.Network;
import org.retort.models.Preprocessing;

/**
 * Collects the options of a {@link TrainingStep}.
 *
 * <p>A training has one stage, which {@link #crossEntropy}, {@link #add}, {@link #optimizer} and
 * {@link #trainOnly} configure, or several, given to {@link #stages}; those four methods can't be
 * used then.
 */
public final class TrainingStepBuilder {
  private static final String NAME = "TrainingStepBuilder";

  private final Network student;
  private final List<Teacher> teachers;
  private Consumer<NativeTrainingStepOptions> common = options -> {};
  private List<Stage> stages = List.of(Stage.of(Sgd.of(0.1)));
  private Preprocessing preprocessing = Preprocessing.of();
  private List<Long> inputShape = List.of();
  private Optional<MemoryFormat> ofTeachers = Optional.empty();
  private Optional<Convolution> convolution = Optional.empty();
  private Optional<Ranks> ranks = Optional.empty();

  TrainingStepBuilder(Network student, List<Teacher> teachers) {
    this.student = student;
    this.teachers = teachers;
  }

  /**
   * Sets the shape of one image. Required, unless the {@link #preprocessing} defines it.
   *
   * @param shape without the batch dimension, channels first, for example 3, 32, 32
   * @return this builder
   * @throws IllegalArgumentException if a size is not positive
   */
  public TrainingStepBuilder inputShape(long... shape) {
    Arguments.shape(shape, NAME + ".inputShape", "shape");
    inputShape = LongStream.of(shape).boxed().toList();
    return this;
  }

  /**
   * Sets the stages of the training, in order, replacing those set before.
   *
   * @param stages at least one; all but the last with their number of {@link Stage#steps}
   * @return this builder
   * @throws IllegalArgumentException if there is no stage, one is null, or a stage that is not the
   *     last has no number of steps, or the last has one
   */
  public TrainingStepBuilder stages(Stage... stages) {
    String function = NAME + ".stages";
    List<Stage> all = Arguments.list(stages, function, "stages");
    check(!all.isEmpty(), "%s: stages must be at least one (got none)", function);
    for (int i = 0; i < all.size(); i++) {
      boolean isLast = i == all.size() - 1;
      check(
          all.get(i).steps() > 0 != isLast,
          "%s: steps must be %s (got %s for stage %s)",
          function,
          isLast ? "0 for the last stage" : "positive for all but the last stage",
          all.get(i).steps(),
          i);
    }
    this.stages = all;
    return this;
  }

  /**
   * Sets the weight of the plain cross-entropy with the labels; 1 by default.
   *
   * @param weight at least 0 and finite; 0 trains without labels
   * @return this builder
   * @throws IllegalArgumentException if the weight is out of range
   */
  public TrainingStepBuilder crossEntropy(double weight) {
    return crossEntropy(CrossEntropy.of(weight));
  }

  /**
   * Sets the cross-entropy with the labels; the plain one with a weight of 1 by default.
   *
   * @param crossEntropy the cross-entropy
   * @return this builder
   * @throws IllegalArgumentException if it is null
   */
  public TrainingStepBuilder crossEntropy(CrossEntropy crossEntropy) {
    return only("crossEntropy", stage -> stage.withCrossEntropy(crossEntropy));
  }

  /**
   * Adds a distillation loss on logits.
   *
   * @param weight at least 0 and finite
   * @param loss the loss
   * @return this builder
   * @throws IllegalArgumentException if the weight is out of range or the loss is null
   */
  public TrainingStepBuilder add(double weight, DistillationLoss loss) {
    return only("add", stage -> stage.add(weight, loss));
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
  public TrainingStepBuilder add(double weight, DistillationLoss loss, Taps taps) {
    return only("add", stage -> stage.add(weight, loss, taps));
  }

  /**
   * Adds a distillation loss with a weight that follows a schedule.
   *
   * @param term the loss, its weight, taps and schedule
   * @return this builder
   * @throws IllegalArgumentException if it is null
   */
  public TrainingStepBuilder add(Term term) {
    return only("add", stage -> stage.add(term));
  }

  /**
   * Sets the optimizer; SGD with a learning rate of 0.1 by default.
   *
   * @param optimizer the optimizer
   * @return this builder
   * @throws IllegalArgumentException if it is null
   */
  public TrainingStepBuilder optimizer(Optimizer optimizer) {
    return only("optimizer", stage -> stage.withOptimizer(optimizer));
  }

  /**
   * Trains only parts of the student; all of it by default. The other parts are frozen, and modules
   * among them are in evaluation mode. Parameters of the losses are always trained.
   *
   * @param parts names of the student's parameters or modules, for example {@code layer1}
   * @return this builder
   * @throws IllegalArgumentException if no name is given or one is null
   */
  public TrainingStepBuilder trainOnly(String... parts) {
    return only("trainOnly", stage -> stage.withTrainOnly(parts));
  }

  /**
   * Sets the number of batches whose mean gradient makes one update; 1 by default.
   *
   * @param batches at least 1
   * @return this builder
   * @throws IllegalArgumentException if the number is out of range
   */
  public TrainingStepBuilder accumulate(long batches) {
    Arguments.atLeast(batches, 1, NAME + ".accumulate", "batches");
    return with(options -> options.accumulate(batches));
  }

  /**
   * Limits the total norm of all gradients, as {@code torch.nn.utils.clip_grad_norm_} does; no
   * limit by default.
   *
   * @param limit positive and finite
   * @return this builder
   * @throws IllegalArgumentException if the limit is out of range
   */
  public TrainingStepBuilder clipNorm(double limit) {
    Arguments.positive(limit, NAME + ".clipNorm", "limit");
    return with(options -> options.clip_norm(limit));
  }

  /**
   * Limits the absolute value of each element of a gradient, before {@link #clipNorm}; no limit by
   * default.
   *
   * @param limit positive and finite
   * @return this builder
   * @throws IllegalArgumentException if the limit is out of range
   */
  public TrainingStepBuilder clipValue(double limit) {
    Arguments.positive(limit, NAME + ".clipValue", "limit");
    return with(options -> options.clip_value(limit));
  }

  /**
   * Skips batches with a non-finite loss or gradient, with {@link StepResult#skipped} set, instead
   * of throwing a {@link org.retort.NonFiniteException}.
   *
   * @return this builder
   */
  public TrainingStepBuilder skipNonFinite() {
    return with(options -> options.skip_non_finite(true));
  }

  /**
   * Sets whether steps are asynchronous: {@code run} returns once its work is enqueued on the
   * device, and reports the result of the previous step, or a result of 0 samples if there was
   * none. If the previous step failed, {@code run} throws its error and ignores the new batch.
   * {@link TrainingStep#finish} waits for the last step. Useful on a GPU; off by default.
   *
   * <p>While a step is pending, BatchNorm's statistics may be those of a step that will fail;
   * parameters never are. All methods of the step, including {@link TrainingStep#publish}, {@link
   * TrainingStep#save}, {@link TrainingStep#state} and {@link TrainingStep#close}, and those of the
   * networks first wait for the pending step. Until then, another step that shares the student
   * throws.
   *
   * @param late whether results are late
   * @return this builder
   */
  public TrainingStepBuilder lateResults(boolean late) {
    return with(options -> options.late_results(late));
  }

  /**
   * Sets whether a step on a GPU is recorded as a CUDA graph once three consecutive batches have
   * had the same tensors with the same shapes, and replayed for further such batches, which takes a
   * fraction of the CPU time; off by default. Other batches run without the graph. The learning
   * rate is rounded to float32.
   *
   * <p>A graph does not support several batches per update, teacher outputs that are cached, stored
   * or come with the batch, CRD's Z as a moving average, or networks that draw random numbers
   * (dropout), wait for the device or change their own attributes. {@link
   * TrainingStep#graphObstacle} reports which; {@link StepResult#graph} reports whether a step ran
   * as a graph.
   *
   * @param graph whether to record
   * @return this builder; {@link #build} throws if the student is not on a GPU
   */
  public TrainingStepBuilder cudaGraph(boolean graph) {
    return with(options -> options.cuda_graph(graph));
  }

  /**
   * Sets the memory layout of the feature maps of the student, and of teachers that do not set
   * their own ({@link Teacher#withMemoryFormat}). The default is the layout that is usually
   * fastest, without timing: channels last for images [C, H, W] on a CPU or with a {@link
   * Precision} other than full, otherwise contiguous.
   *
   * @param format the format
   * @return this builder
   * @throws IllegalArgumentException if it is null
   */
  public TrainingStepBuilder memoryFormat(MemoryFormat format) {
    Arguments.notNull(format, NAME + ".memoryFormat", "format");
    ofTeachers = Optional.of(format);
    return studentFormat(format);
  }

  /**
   * Sets the memory layout of the student's feature maps; see {@link #memoryFormat}.
   *
   * @param format the format
   * @return this builder
   * @throws IllegalArgumentException if it is null
   */
  public TrainingStepBuilder studentFormat(MemoryFormat format) {
    Arguments.notNull(format, NAME + ".studentFormat", "format");
    return with(
        options -> options.student_format(NativeEnums.of(format, NativeMemoryFormat.class)));
  }

  /**
   * Sets the algorithm for 3×3 convolutions of the student and all teachers, which keep it ({@link
   * Network#setConvolution}). By default each network uses its own.
   *
   * @param algorithm the algorithm
   * @return this builder
   * @throws IllegalArgumentException if it is null
   */
  public TrainingStepBuilder convolution(Convolution algorithm) {
    convolution = Optional.of(Arguments.notNull(algorithm, NAME + ".convolution", "algorithm"));
    return this;
  }

  /**
   * Sets the arithmetic of the student's forward pass; that of its dtype by default.
   *
   * @param precision the precision
   * @return this builder
   * @throws IllegalArgumentException if it is null
   */
  public TrainingStepBuilder studentPrecision(Precision precision) {
    Arguments.notNull(precision, NAME + ".studentPrecision", "precision");
    return with(
        options -> options.student_precision(NativeEnums.of(precision, NativePrecision.class)));
  }

  /**
   * Sets the size of images and their preprocessing for the student, and for teachers without their
   * own normalisation ({@link Teacher#withPreprocessing}). The networks store it, for {@link
   * Network#predict}, {@link Network#accuracy} and {@link org.retort.models.Predictor}. By default
   * the preprocessing is the student's or, if it has none, the one that all teachers were trained
   * with, if they normalise alike and their options do not say otherwise.
   *
   * @param preprocessing the preprocessing; its input shape is used if it has one
   * @return this builder
   * @throws IllegalArgumentException if it is null
   */
  public TrainingStepBuilder preprocessing(Preprocessing preprocessing) {
    this.preprocessing = Arguments.notNull(preprocessing, NAME + ".preprocessing", "preprocessing");
    return this;
  }

  /**
   * Trains with other ranks, each of which builds the same step and runs it on its part of the
   * batch; see {@link TrainingStep}. By default there is one process, as with ranks of size 1.
   *
   * @param ranks the ranks, which the step shares once built; they may then be closed, but a {@link
   *     Trainer} needs them open
   * @return this builder
   * @throws IllegalArgumentException if they are null
   */
  public TrainingStepBuilder ranks(Ranks ranks) {
    this.ranks = Optional.of(Arguments.notNull(ranks, NAME + ".ranks", "ranks"));
    return this;
  }

  /**
   * Sets over whose samples BatchNorms in training mode normalise, if there are several ranks;
   * {@link BatchNormOver#OWN_BATCH} by default.
   *
   * @param over the samples to normalise over
   * @return this builder
   * @throws IllegalArgumentException if it is null
   */
  public TrainingStepBuilder batchNorm(BatchNormOver over) {
    Arguments.notNull(over, NAME + ".batchNorm", "over");
    return with(options -> options.batch_norm(NativeEnums.of(over, NativeBatchNormOver.class)));
  }

  /**
   * Sets the size of the buckets in which gradients are summed over the ranks while further ones
   * are computed; 1 MiB by default.
   *
   * @param bytes at least 1
   * @return this builder
   * @throws IllegalArgumentException if the size is out of range
   */
  public TrainingStepBuilder bucketBytes(int bytes) {
    Arguments.atLeast(bytes, 1, NAME + ".bucketBytes", "bytes");
    return with(options -> options.bucket_bytes(bytes));
  }

  /**
   * Builds the step: probes all networks with their input shapes, builds the losses for the shapes
   * of their taps and prepares the optimizers of all stages. With several ranks, waits for all of
   * them, and adopts the weights and losses of rank 0.
   *
   * @return a new step, which the caller closes
   * @throws IllegalArgumentException if the input shape is missing
   * @throws IllegalStateException if a network or the ranks were closed
   * @throws org.retort.RankException on all ranks, if a rank has different options, networks,
   *     version or instruction set, or is gone
   * @throws org.retort.ShapeException if a loss does not match its taps, or images do not match
   *     their options
   * @throws org.retort.FileException if a cache file is not a cache or belongs to another teacher
   * @throws org.retort.RetortException if an option is out of range, a tap or a named part does not
   *     exist, a network does not return logits and features, or nothing is left to train
   */
  @SuppressWarnings("try") // the scope only needs to be open
  public TrainingStep build() {
    long[] shape = shape();
    List<Stage> all = stages;
    List<String> names =
        teachers.isEmpty() ? List.of("teacher") : teachers.stream().map(Teacher::name).toList();
    return Native.call(
        () -> {
          try (PointerScope scope = new PointerScope()) {
            NativeTrainingStepOptions options = new NativeTrainingStepOptions();
            share(student, options::student);
            NativeTeacherOptionsVector ofTeachers = options.teachers();
            ofTeachers.resize(teachers.size());
            for (int i = 0; i < teachers.size(); i++) {
              write(teachers.get(i), ofTeachers.get(i));
            }
            options.input_shape(new LongVector(shape));
            NativePreprocessings.give(preprocessing, options::preprocessing);
            common.accept(options);
            ranks.ifPresent(shared -> RanksSharing.share(shared, options::ranks));
            NativeStageVector later = options.later_stages();
            later.resize(all.size() - 1);
            for (int i = 0; i < all.size(); i++) {
              NativeStages.write(all.get(i), i == 0 ? options : later.get(i - 1));
            }
            int mostTerms = all.stream().mapToInt(one -> one.terms().size()).max().orElseThrow();
            NativeTrainingStep step = new NativeTrainingStep(options);
            convolution.ifPresent(this::use);
            boolean channelsLast = student.preprocessing().channelsLast();
            return new TrainingStep(student, ranks, names, step, shape, channelsLast, mostTerms);
          }
        });
  }

  private void use(Convolution algorithm) {
    student.setConvolution(algorithm);
    teachers.forEach(
        teacher -> teacher.network().ifPresent(network -> network.setConvolution(algorithm)));
  }

  private void write(Teacher teacher, NativeTeacherOptions to) {
    to.name(teacher.name()).weight(teacher.weight());
    teacher.network().ifPresent(network -> share(network, to::network));
    teacher
        .storedOutputs()
        .ifPresent(outputs -> outputs.share(shared -> retort.set_stored_outputs(to, shared)));
    NativePreprocessings.give(teacher.preprocessing(), to::preprocessing);
    teacher
        .memoryFormat()
        .or(() -> ofTeachers)
        .ifPresent(format -> to.format(NativeEnums.of(format, NativeMemoryFormat.class)));
    to.precision(NativeEnums.of(teacher.precision(), NativePrecision.class));
    to.batch_norm(NativeEnums.of(teacher.batchNorm(), NativeTeacherBatchNorm.class));
    to.cache().samples(teacher.cacheSamples());
    teacher
        .cacheFile()
        .ifPresent(
            file -> {
              try (NativeFileName name = NativeFiles.nameOf(file)) {
                retort.set_file(to.cache(), name);
              }
            });
  }

  private long[] shape() {
    List<Long> shape = inputShape.isEmpty() ? preprocessing.inputShape() : inputShape;
    check(!shape.isEmpty(), "%s.build: input shape must be given (got none)", NAME);
    return shape.stream().mapToLong(Long::longValue).toArray();
  }

  private TrainingStepBuilder only(String method, UnaryOperator<Stage> change) {
    check(stages.size() == 1, "%s.%s: stages must be one (got %s)", NAME, method, stages.size());
    stages = List.of(change.apply(stages.get(0)));
    return this;
  }

  private TrainingStepBuilder with(Consumer<NativeTrainingStepOptions> setting) {
    common = common.andThen(setting);
    return this;
  }

  /**
   * Lets the options share a network. Its handle is held only during the call, since another step
   * may acquire the same networks in reverse order.
   */
  private static void share(Network network, Consumer<NativeNetwork> options) {
    NativeNetworks.of(network).use(options);
  }
}
