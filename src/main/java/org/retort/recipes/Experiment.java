package org.retort.recipes;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.retort.OutOfMemoryException;
import org.retort.RankException;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.distributed.Ranks;
import org.retort.distributed.RanksOptions;
import org.retort.models.ModelDescription;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.Preprocessing;
import org.retort.train.BatchNormOver;
import org.retort.train.Metrics;
import org.retort.train.StoredOutputs;
import org.retort.train.StoredTap;
import org.retort.train.Taps;
import org.retort.train.Teacher;
import org.retort.train.Term;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingStepBuilder;

/**
 * A recipe with its data: creates the networks, batches and steps that it describes. Not
 * thread-safe.
 */
public final class Experiment {
  private static final String CPU = "cpu";

  private final Recipe recipe;
  private final ExperimentData data;
  private final String device;
  private final Ranks ranks;
  private final BatchNormOver batchNorm;

  private Experiment(Recipe recipe, ExperimentData data) {
    this(recipe, data, CPU, Ranks.join(RanksOptions.of()), BatchNormOver.OWN_BATCH);
  }

  private Experiment(
      Recipe recipe, ExperimentData data, String device, Ranks ranks, BatchNormOver batchNorm) {
    this.recipe = recipe;
    this.data = data;
    this.device = device;
    this.ranks = ranks;
    this.batchNorm = batchNorm;
    recipe.teachers().forEach(teacher -> teacher(teacher).close());
    recipe.storedTeachers().forEach(teacher -> teacher.open(data.sampleCount()).close());
    student(0).close();
  }

  /**
   * Opens a recipe's data.
   *
   * @param recipe the recipe
   * @param folder where the data are, unless they ship with Retort
   * @return the experiment
   * @throws RecipeException if there are no such networks, or the data or stored outputs can't be
   *     read
   */
  public static Experiment open(Recipe recipe, Optional<Path> folder) {
    return new Experiment(recipe, new ExperimentData(recipe, recipe.data().source().open(folder)));
  }

  /**
   * Replaces a recipe's data by a program's own, and trains over several ranks that each hold a
   * shard of them, see {@link DatasetBatches.Builder#shard}. The recipe's augmentation and
   * normalisation stay. There are no samples to test with.
   *
   * @param recipe the recipe
   * @param train the training data
   * @param ranks the ranks, which stay the caller's
   * @param batchNorm whose samples the student's BatchNorms normalise by
   * @return the experiment
   * @throws RecipeException if there are no such networks, they do not fit the data, the student
   *     gets only some samples of each class, or a batch has fewer images than there are ranks
   */
  public static Experiment overShards(
      Recipe recipe, Dataset train, Ranks ranks, BatchNormOver batchNorm) {
    ExperimentData data = new ExperimentData(recipe, DataParts.ofRows(train));
    return new Experiment(recipe, data.shard(ranks.rank(), ranks.size()), CPU, ranks, batchNorm);
  }

  /**
   * Creates an experiment on noise in the shape of a recipe's data, for measurements that need no
   * images. It can't measure accuracy.
   *
   * @param recipe the recipe
   * @return the experiment
   * @throws RecipeException if there are no such networks
   */
  public static Experiment onNoise(Recipe recipe) {
    return new Experiment(recipe, new ExperimentData(recipe, recipe.data().source().noise()));
  }

  /**
   * Sets where networks are trained; the CPU by default. On a GPU, steps of one rank run as CUDA
   * graphs and report late, see {@link TrainingStepBuilder#cudaGraph} and {@link
   * TrainingStepBuilder#lateResults}.
   *
   * @param device {@code cpu}, {@code cuda} or, for example, {@code cuda:1}
   * @return an experiment with the same data
   * @throws RecipeException if there is no such device; for CUDA the message says what is missing
   */
  public Experiment on(String device) {
    try (Network network = student(0)) {
      network.moveTo(device);
    } catch (RetortException wrong) {
      throw new RecipeException(RecipeException.rule(wrong), wrong);
    }
    return new Experiment(recipe, data, device, ranks, batchNorm);
  }

  /**
   * Trains over several ranks: batches and the numbers of images are those of the recipe, and each
   * rank gets its share of every batch. All ranks make the same steps in the same order and wait
   * for each other in them. The default is one rank.
   *
   * @param ranks the ranks, which stay the caller's
   * @param batchNorm whose samples the student's BatchNorms normalise by
   * @return an experiment with the same data
   * @throws RecipeException if a batch has fewer images than there are ranks
   */
  public Experiment over(Ranks ranks, BatchNormOver batchNorm) {
    return ranks.size() == 1
        ? this
        : new Experiment(recipe, data.share(ranks.rank(), ranks.size()), device, ranks, batchNorm);
  }

  /**
   * Returns the ranks over which networks are trained.
   *
   * @return the ranks, one by default
   */
  public Ranks ranks() {
    return ranks;
  }

  /**
   * Returns the device on which networks are trained.
   *
   * @return the device's name
   */
  public String device() {
    return device;
  }

  /**
   * Returns the recipe.
   *
   * @return the recipe
   */
  public Recipe recipe() {
    return recipe;
  }

  /**
   * Returns who made the data.
   *
   * @return a credit
   */
  public String credit() {
    return data.parts().credit();
  }

  /**
   * Returns the number of training samples.
   *
   * @return a count
   */
  public int trainSize() {
    return data.trainSize();
  }

  /**
   * Returns the number of test samples.
   *
   * @return a count
   */
  public int testSize() {
    return data.testSize();
  }

  /**
   * Creates a network for the data.
   *
   * @param name the network's name
   * @param seed the seed of its parameters, and of everything drawn from then on
   * @return a new network, which prepares images as the recipe says; the caller closes it
   * @throws RecipeException if there is no such network
   */
  public Network network(String name, long seed) {
    if (!Networks.isName(name)) {
      throw new RecipeException(
          "network must be one of %s (got %s)"
              .formatted(String.join(", ", Networks.nameForms()), name));
    }
    return network(NetworkRecipe.of(name), preprocessing(), Set.of(), seed);
  }

  /**
   * Creates the student as it is before training.
   *
   * @param seed the seed of its parameters, and of everything drawn from then on
   * @return a new network, which prepares images as the recipe says; the caller closes it
   * @throws RecipeException if it can't be created, or does not fit the data
   */
  public Network student(long seed) {
    Set<String> taps = new LinkedHashSet<>();
    recipe.terms().forEach(term -> taps.addAll(term.taps().student()));
    return network(recipe.student().network(), preprocessing(), taps, seed);
  }

  /**
   * Creates a teacher as it is before training, if it does not come trained.
   *
   * @param teacher one of the recipe's teachers
   * @return a new network, which prepares images as the recipe says; the caller closes it
   * @throws RecipeException if it can't be created, or does not fit the data
   */
  public Network teacher(TeacherRecipe teacher) {
    List<String> names = recipe.teacherNames();
    Set<String> taps = new LinkedHashSet<>();
    recipe
        .terms()
        .filter(term -> names.get(term.teacher().first(names)).equals(teacher.name()))
        .forEach(term -> taps.addAll(term.taps().teacher()));
    Preprocessing own =
        teacher
            .normalization()
            .map(normalization -> normalization.withInputShape(inputShape()))
            .orElseGet(this::preprocessing);
    return network(teacher.network(), own, taps, teacher.seed());
  }

  private Network network(
      NetworkRecipe what, Preprocessing preprocessing, Set<String> taps, long seed) {
    Retort.manualSeed(seed);
    Network network = null;
    try {
      network = what.make(data.classes(), inputShape(), taps);
      network.moveTo(device);
      network.probe(inputShape());
      requireClasses(what, network);
      network.setPreprocessing(preprocessing);
      what.loadWeights(network);
      return network;
    } catch (IllegalArgumentException | RetortException wrong) {
      if (network != null) {
        network.close();
      }
      throw wrong instanceof RecipeException
          ? (RecipeException) wrong
          : new RecipeException(what.place() + wrong.getMessage(), wrong);
    }
  }

  private void requireClasses(NetworkRecipe what, Network network) {
    if (network.classes() != data.classes()) {
      throw new RecipeException(
          "%snetwork must have one output for each of the %d classes (got %d of %s)"
              .formatted(what.place(), data.classes(), network.classes(), what.name()));
    }
  }

  /**
   * Returns the fraction of the test samples that a network gets right.
   *
   * @param network the network
   * @return the accuracy, as a fraction
   */
  public double accuracy(Network network) {
    return data.accuracy(network);
  }

  /**
   * Measures a network on the test samples.
   *
   * @param network the network
   * @return its metrics
   */
  public Metrics metrics(Network network) {
    return data.metrics(network);
  }

  /**
   * Returns the test samples.
   *
   * @return the data set, as read
   */
  public Dataset test() {
    return data.test();
  }

  /**
   * Describes the student for whoever serves it.
   *
   * @return its architecture, the names of its classes, and how its pictures or rows are read
   */
  public ModelDescription description() {
    ModelDescription description =
        ModelDescription.of(recipe.student().network().name())
            .withClassNames(data.test().classNames())
            .withResize(data.parts().resize());
    return data.parts().columns().map(description::withColumns).orElse(description);
  }

  /**
   * Creates a teacher's batches.
   *
   * @param teacher one of the recipe's teachers
   * @return new batches, which the caller closes
   */
  public DatasetBatches teacherBatches(TeacherRecipe teacher) {
    return data.teacherBatches(teacher);
  }

  /**
   * Creates a student's batches.
   *
   * @param stage the stage they are for
   * @param seed the seed of their order, and of which samples keep their labels
   * @return new batches, which the caller closes
   */
  public DatasetBatches batches(StageRecipe stage, long seed) {
    return data.batches(stage.hasTeacher(), seed);
  }

  /**
   * Creates batches of all of a student's training samples, each once, in order and without
   * augmentation; their indices are those of {@link #batches}.
   *
   * @return new batches, which the caller closes
   */
  public DatasetBatches samplesInOrder() {
    return data.samplesInOrder();
  }

  /**
   * Returns the number of a student's training samples.
   *
   * @return a count
   */
  public int sampleCount() {
    return data.sampleCount();
  }

  /**
   * Returns the number of steps of a teacher's training.
   *
   * @param teacher one of the recipe's teachers
   * @return a count; 0 if it comes trained
   */
  public long teacherSteps(TeacherRecipe teacher) {
    return teacher.isTrainedHere()
        ? (long) teacher.epochs() * data.teacherStepsPerEpoch(teacher)
        : 0;
  }

  /**
   * Returns the number of images in the steps of a teacher's training, over all ranks.
   *
   * @param teacher one of the recipe's teachers
   * @return a count; 0 if it comes trained
   */
  public long images(TeacherRecipe teacher) {
    return teacherSteps(teacher) * teacher.batch();
  }

  /**
   * Returns the number of images in the steps of a student's training, over all ranks.
   *
   * @param method how it is trained
   * @return a count
   */
  public long images(Method method) {
    return method.stages().stream().mapToLong(stage -> steps(stage) * imagesPerStep(stage)).sum();
  }

  /**
   * Returns the number of images per step, over all ranks.
   *
   * @param stage the stage
   * @return a count
   */
  public int imagesPerStep(StageRecipe stage) {
    return data.batchSize(stage.hasTeacher());
  }

  /**
   * Creates the networks of all teachers, as they are before training.
   *
   * @return new networks, in the order of the recipe, which the caller closes
   */
  public NetworkList teachers() {
    return NetworkList.of(recipe.teachers(), this::teacher);
  }

  /**
   * Returns the number of steps of a student's training.
   *
   * @param method how it is trained
   * @return a count
   */
  public long steps(Method method) {
    return method.stages().stream().mapToLong(this::steps).sum();
  }

  /**
   * Checks methods for errors before anything is trained: creates the step and the batches of each
   * of their stages once, with throwaway networks, and reads no batch. Does not wait for other
   * ranks.
   *
   * @param methods the methods
   * @throws RecipeException about the first that can't be created; it names the method, the stage
   *     and, if it is to blame, the term
   */
  public void check(List<Method> methods) {
    try (NetworkList teachers = teachers();
        Network student = student(0)) {
      for (Method method : methods) {
        for (StageRecipe stage : method.stages()) {
          step(stage, student, teachers.all(), false).close();
          batches(stage, 0).close();
        }
      }
    }
  }

  /**
   * Checks the teachers' training for errors before it begins, like {@link #check}.
   *
   * @throws RecipeException if a step can't be created
   */
  public void checkTeachers() {
    try (NetworkList networks = teachers()) {
      for (int i = 0; i < recipe.teachers().size(); i++) {
        if (recipe.teachers().get(i).isTrainedHere()) {
          teacherStep(recipe.teachers().get(i), networks.all().get(i), false).close();
        }
      }
    }
  }

  /**
   * Creates the step that trains a teacher on the labels alone.
   *
   * @param teacher one of the recipe's teachers
   * @param network the network to train
   * @return a new step, which the caller closes
   * @throws RecipeException if it can't be created from the recipe
   * @throws RankException if another rank can't create it, or creates a different one
   */
  public TrainingStep teacherStep(TeacherRecipe teacher, Network network) {
    return teacherStep(teacher, network, true);
  }

  private TrainingStep teacherStep(TeacherRecipe teacher, Network network, boolean withRanks) {
    OptimizerRecipe optimizer = teacher.optimizer().orElse(recipe.optimizer());
    try {
      return builder(withRanks, network)
          .preprocessing(preprocessing())
          .crossEntropy(1)
          .optimizer(optimizer.optimizer(teacherSteps(teacher)))
          .build();
    } catch (OutOfMemoryException | RankException noFault) {
      throw noFault;
    } catch (IllegalArgumentException | RetortException wrong) {
      throw RecipeException.at(recipe.name() + ": " + teacher.run(), wrong);
    }
  }

  /**
   * Creates the step of a stage.
   *
   * @param stage the stage
   * @param student the network to train
   * @param teachers the networks to learn from, in the order of the recipe; unused, and possibly
   *     empty, for a stage without distillation losses. Stored outputs are opened
   * @return a new step, which the caller closes
   * @throws RecipeException if it can't be created from the recipe, with the method, the stage and,
   *     if it is to blame, the term
   * @throws RankException if another rank can't create it, or creates a different one
   */
  public TrainingStep step(StageRecipe stage, Network student, List<Network> teachers) {
    return step(stage, student, teachers, true);
  }

  private TrainingStep step(
      StageRecipe stage, Network student, List<Network> teachers, boolean withRanks) {
    try {
      return step(stage, stage.terms(), student, teachers, withRanks);
    } catch (OutOfMemoryException | RankException noFault) {
      throw noFault;
    } catch (IllegalArgumentException | RetortException wrong) {
      throw placed(wrong, stage, student, teachers);
    }
  }

  /**
   * Returns an error that names the first term that also fails without the others, or the stage.
   */
  private RecipeException placed(
      RuntimeException wrong, StageRecipe stage, Network student, List<Network> teachers) {
    for (TermRecipe term : stage.terms()) {
      try {
        step(stage, List.of(term), student, teachers, false).close();
      } catch (IllegalArgumentException | RetortException ofTerm) {
        if (RecipeException.rule(ofTerm).equals(RecipeException.rule(wrong))) {
          return RecipeException.at(term.place(), wrong);
        }
      }
    }
    return RecipeException.at(stage.place(), wrong);
  }

  private TrainingStep step(
      StageRecipe stage,
      List<TermRecipe> terms,
      Network student,
      List<Network> networks,
      boolean withRanks) {
    if (!stage.hasTeacher()) {
      return step(stage, terms, student, new Teacher[0], withRanks);
    }
    List<StoredOutputs> outputs = new ArrayList<>();
    try {
      for (StoredTeacherRecipe teacher : recipe.storedTeachers()) {
        outputs.add(teacher.open(data.sampleCount()));
      }
      return step(stage, terms, student, teachers(stage, networks, outputs), withRanks);
    } finally {
      outputs.forEach(StoredOutputs::close); // the step shares them
    }
  }

  private TrainingStep step(
      StageRecipe stage,
      List<TermRecipe> terms,
      Network student,
      Teacher[] teachers,
      boolean withRanks) {
    long steps = steps(stage);
    TrainingStepBuilder builder = builder(withRanks, student, teachers);
    builder
        .preprocessing(preprocessing())
        .crossEntropy(stage.crossEntropy())
        .optimizer(stage.optimizer().orElse(recipe.optimizer()).optimizer(steps));
    if (stage.trainsBackbone()) {
      builder.trainOnly(student.backbone().toArray(String[]::new));
    }
    List<String> names = Stream.of(teachers).map(Teacher::name).toList();
    for (TermRecipe term : terms) {
      Teacher teacher = teachers[term.teacher().first(names)];
      Taps taps = term.taps().taps(student.taps(), taps(teacher));
      LossContext context =
          new LossContext(
              data.labels(), data.batchSize(true), teacher.network().orElse(null), taps.teacher());
      builder.add(
          term.teacher()
              .of(
                  Term.of(term.weight(), term.loss().loss(context))
                      .withTaps(taps)
                      .withSchedule(term.schedule().schedule(steps))));
    }
    return builder.build();
  }

  private static List<String> taps(Teacher teacher) {
    return teacher
        .storedOutputs()
        .map(outputs -> outputs.format().taps().stream().map(StoredTap::name).toList())
        .orElseGet(() -> teacher.network().orElseThrow().taps());
  }

  private Teacher[] teachers(
      StageRecipe stage, List<Network> networks, List<StoredOutputs> outputs) {
    List<Teacher> teachers = new ArrayList<>();
    for (int i = 0; i < networks.size(); i++) {
      TeacherRecipe teacher = recipe.teachers().get(i);
      Teacher made =
          Teacher.of(teacher.name(), networks.get(i))
              .withWeight(teacher.weight())
              .withBatchNorm(stage.teacherBatchNorm());
      teachers.add(teacher.normalization().map(made::withPreprocessing).orElse(made));
    }
    for (int i = 0; i < outputs.size(); i++) {
      StoredTeacherRecipe teacher = recipe.storedTeachers().get(i);
      teachers.add(Teacher.of(teacher.name(), outputs.get(i)).withWeight(teacher.weight()));
    }
    return teachers.toArray(Teacher[]::new);
  }

  private TrainingStepBuilder builder(boolean withRanks, Network student, Teacher... teachers) {
    TrainingStepBuilder builder = TrainingStep.builder(student, teachers);
    if (withRanks) {
      builder.ranks(ranks).batchNorm(batchNorm);
    }
    boolean isFast = !device.equals(CPU) && ranks.size() == 1;
    return builder.lateResults(isFast).cudaGraph(isFast);
  }

  private long steps(StageRecipe stage) {
    return (long) stage.epochs() * data.stepsPerEpoch();
  }

  /**
   * Returns how networks see samples.
   *
   * @return the input shape and the normalisation
   */
  public Preprocessing preprocessing() {
    return data.parts()
        .columns()
        .map(columns -> Preprocessing.of().withNormalization(columns.mean(), columns.deviation()))
        .orElse(recipe.data().preprocessing())
        .withInputShape(inputShape());
  }

  private long[] inputShape() {
    return data.inputShape();
  }
}
