package org.retort.recipes;

import java.util.OptionalInt;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.retort.data.Augmentation;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.data.ImageShape;
import org.retort.data.Subset;
import org.retort.models.Network;
import org.retort.train.Evaluation;
import org.retort.train.Metrics;

/** The data of an experiment: augmented, and split into batches. */
final class ExperimentData {
  private static final int TEST_BATCH = 256;

  private final Recipe recipe;
  private final Dataset train;
  private final Dataset ofStudents;
  private final @Nullable Dataset test; // null if there is none
  private final DataParts parts;
  private final Augmentation augmentation;
  private final int stepsPerEpoch;
  private final int rank;
  private final int ranks;
  private final boolean sharded;

  ExperimentData(Recipe recipe, DataParts parts) {
    this(recipe, parts, 0, 1, false);
  }

  private ExperimentData(Recipe recipe, DataParts parts, int rank, int ranks, boolean sharded) {
    this.recipe = recipe;
    this.rank = rank;
    this.ranks = ranks;
    this.sharded = sharded;
    train = parts.train();
    test = parts.test();
    this.parts = parts;
    augmentation = augmentation(recipe.data().augmentation(), parts);
    OptionalInt perClass = recipe.student().samplesPerClass();
    if (sharded && perClass.isPresent()) {
      throw new RecipeException(
          recipe.name()
              + ": student.samples_per_class must not be set for training on shards (got "
              + perClass.getAsInt()
              + ")");
    }
    ofStudents =
        perClass.isPresent()
            ? perClass(train, "student.samples_per_class", perClass.getAsInt(), 0)
            : train;
    recipe.teachers().stream()
        .filter(TeacherRecipe::isTrainedHere)
        .forEach(this::teacherStepsPerEpoch);
    stepsPerEpoch = stepsPerEpoch(batches(true, 0));
  }

  /** Returns a copy whose training batches are one rank's share. */
  ExperimentData share(int rank, int ranks) {
    return new ExperimentData(recipe, parts, rank, ranks, false);
  }

  /** Returns a copy that treats the data as one rank's shard. */
  ExperimentData shard(int rank, int ranks) {
    return new ExperimentData(recipe, parts, rank, ranks, true);
  }

  private Subset perClass(Dataset dataset, String key, int count, long seed) {
    return checked(key, () -> Subset.perClass(dataset, count, seed));
  }

  /** Reports a failed check of a number in {@code maker} with the number's key. */
  private <T> T checked(String key, Supplier<T> maker) {
    try {
      return maker.get();
    } catch (IllegalArgumentException wrong) {
      String rule = RecipeException.rule(wrong).replaceFirst("^(size|count) must", key + " must");
      throw new RecipeException(recipe.name() + ": " + rule, wrong);
    }
  }

  private static int stepsPerEpoch(DatasetBatches batches) {
    try (batches) {
      return batches.stepsPerEpoch();
    }
  }

  /** Returns the number of a teacher's batches per epoch. */
  int teacherStepsPerEpoch(TeacherRecipe teacher) {
    return stepsPerEpoch(teacherBatches(teacher));
  }

  /** Returns the number of a student's batches per epoch, with a teacher or without. */
  int stepsPerEpoch() {
    return stepsPerEpoch;
  }

  /** Returns the number of samples in a student's batch, over all ranks. */
  int batchSize(boolean hasTeacher) {
    StudentRecipe student = recipe.student();
    OptionalInt labels = recipe.data().labelsPerClass();
    if (labels.isEmpty()) {
      return student.batch();
    }
    int labeled = Math.min(student.batch(), labels.getAsInt() * classes());
    return hasTeacher ? labeled + student.unlabeledBatch().getAsInt() : labeled;
  }

  private static Augmentation augmentation(Augmentation augmentation, DataParts parts) {
    ImageShape shape = parts.shape();
    return parts.train().shape().equals(shape)
        ? augmentation
        : augmentation.withOutputSize(shape.height(), shape.width());
  }

  /** Returns the parts, as read. */
  DataParts parts() {
    return parts;
  }

  /** Returns the shape of what networks see of a sample, without the batch. */
  long[] inputShape() {
    ImageShape shape = parts.shape();
    return shape.equals(train.shape())
        ? train.inputShape()
        : new long[] {shape.channels(), shape.height(), shape.width()};
  }

  /** Returns the number of classes. */
  int classes() {
    return train.classes();
  }

  /** Returns the class of each of a student's training samples. */
  long[] labels() {
    return IntStream.range(0, ofStudents.size()).mapToLong(ofStudents::label).toArray();
  }

  /** Returns the number of training samples. */
  int trainSize() {
    return train.size();
  }

  /** Returns the number of test samples. */
  int testSize() {
    return test == null ? 0 : test.size();
  }

  /** Returns a teacher's batches. */
  DatasetBatches teacherBatches(TeacherRecipe teacher) {
    return checked(
        teacher.run() + ".batch", batches(train, teacher.seed()).size(teacher.batch())::build);
  }

  /**
   * Returns a student's batches, without the samples that have no label unless it has a teacher.
   */
  DatasetBatches batches(boolean hasTeacher, long seed) {
    DatasetBatches.Builder batches = batches(ofStudents, seed);
    StudentRecipe student = recipe.student();
    if (recipe.data().labelsPerClass().isEmpty()) {
      return checked("student.batch", batches.size(student.batch())::build);
    }
    batches
        .size(student.unlabeledBatch().getAsInt())
        .labeled(labeled(recipe.data().labelsPerClass().getAsInt(), seed), student.batch());
    return checked(
        "student.unlabeled_batch", hasTeacher ? batches::build : batches.withoutOthers()::build);
  }

  /** Returns all of a student's training samples, each once, without augmentation. */
  DatasetBatches samplesInOrder() {
    return inOrder(ofStudents, augmentation.withoutDraws());
  }

  /** Returns the number of a student's training samples. */
  int sampleCount() {
    return ofStudents.size();
  }

  private int[] labeled(int perClass, long seed) {
    Subset labeled = perClass(ofStudents, "data.labels_per_class", perClass, seed);
    if (labeled.size() == ofStudents.size()) {
      throw new RecipeException(
          "%s: data.labels_per_class must leave samples without labels (got %d, of all %d samples)"
              .formatted(recipe.name(), perClass, ofStudents.size()));
    }
    return IntStream.range(0, labeled.size()).map(labeled::indexInWhole).toArray();
  }

  private DatasetBatches.Builder batches(Dataset dataset, long seed) {
    DatasetBatches.Builder builder = DatasetBatches.builder(dataset);
    return (sharded ? builder.shard(rank, ranks) : builder.share(rank, ranks))
        .seed(seed)
        .augmentation(augmentation)
        .threads(parts.threads());
  }

  private DatasetBatches inOrder(Dataset dataset, Augmentation changes) {
    return DatasetBatches.inOrder(dataset, TEST_BATCH, changes, parts.threads());
  }

  /** Returns the samples on which networks are measured. */
  Dataset test() {
    if (test == null) {
      throw new IllegalStateException("ExperimentData.test: data must be real (got noise)");
    }
    return test;
  }

  /** Returns the fraction of the test samples that a network gets right. */
  double accuracy(Network network) {
    try (DatasetBatches batches = inOrder(test(), Augmentation.none())) {
      return Evaluation.accuracy(network, batches);
    }
  }

  /** Measures a network on the test samples. */
  Metrics metrics(Network network) {
    try (DatasetBatches batches = inOrder(test(), Augmentation.none())) {
      return Evaluation.metrics(network, batches);
    }
  }
}
