package org.retort.spark;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.retort.data.DatasetBatches;
import org.retort.internal.Arguments;
import org.retort.models.Network;
import org.retort.recipes.Experiment;
import org.retort.recipes.Method;
import org.retort.recipes.Recipe;
import org.retort.recipes.Recipes;
import org.retort.recipes.StageRecipe;
import org.retort.recipes.TeacherRecipe;
import org.retort.train.BatchNormOver;
import org.retort.train.TrainingStep;

/**
 * A job that trains a student by a method of a recipe, on the rows instead of the recipe's own
 * data: first the teachers that are not pretrained, then the student, stage by stage. Files named
 * in the recipe are those of the executors.
 *
 * <p>Immutable.
 *
 * @param <T> the type of the rows
 */
public final class RecipeJob<T> implements SparkJob<T> {
  private static final long serialVersionUID = 1L;
  private static final String NAME = "RecipeJob";

  private final SampleReader<T> reader;
  private final String name;
  private final String text; // recipes are not serializable
  private final String method;
  private final long seed;
  private final BatchNormOver batchNorm;

  private RecipeJob(
      SampleReader<T> reader,
      String name,
      String text,
      String method,
      long seed,
      BatchNormOver batchNorm) {
    this.reader = reader;
    this.name = name;
    this.text = text;
    this.method = method;
    this.seed = seed;
    this.batchNorm = batchNorm;
  }

  /**
   * Creates a job that trains by a method of a recipe, with seed 0 and BatchNorms over each rank's
   * own batch.
   *
   * @param reader turns rows into samples
   * @param recipe the name of a recipe that ships with Retort, or a file on the driver
   * @param method one of its methods
   * @param <T> the type of the rows
   * @return the job
   * @throws IllegalArgumentException if an argument is null
   * @throws org.retort.recipes.RecipeException if there is no such recipe or method
   */
  public static <T> RecipeJob<T> of(SampleReader<T> reader, String recipe, String method) {
    Arguments.notNull(reader, NAME + ".of", "reader");
    Arguments.notNull(recipe, NAME + ".of", "recipe");
    Arguments.notNull(method, NAME + ".of", "method");
    Recipe loaded = Recipes.load(recipe);
    Arguments.check(
        loaded.methodNames().contains(method),
        "%s: method must be one of %s (got %s)",
        NAME,
        String.join(", ", loaded.methodNames()),
        method);
    return new RecipeJob<>(reader, recipe, loaded.text(), method, 0, BatchNormOver.OWN_BATCH);
  }

  /**
   * Sets the seed of the student and its batches; 0 by default.
   *
   * @param seed any number
   * @return a changed copy
   */
  public RecipeJob<T> withSeed(long seed) {
    return new RecipeJob<>(reader, name, text, method, seed, batchNorm);
  }

  /**
   * Sets the samples over which BatchNorms of the trained networks normalise; those of the rank by
   * default.
   *
   * @param batchNorm whose samples
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public RecipeJob<T> withBatchNorm(BatchNormOver batchNorm) {
    Arguments.notNull(batchNorm, NAME, "batch norm");
    return new RecipeJob<>(reader, name, text, method, seed, batchNorm);
  }

  @Override
  public SampleReader<T> reader() {
    return reader;
  }

  @Override
  public byte[] train(SparkRank rank) {
    Recipe read = Recipes.parse(name, text);
    Method chosen =
        read.methods().stream()
            .filter(each -> each.name().equals(method))
            .findFirst()
            .orElseThrow();
    Experiment experiment = Experiment.overShards(read, rank.data(), rank.ranks(), batchNorm);
    List<Network> teachers = new ArrayList<>();
    if (chosen.hasTeacher()) {
      for (TeacherRecipe teacher : read.teachers()) {
        teachers.add(teacher(rank, experiment, teacher));
      }
    }
    Network student = network(rank, () -> experiment.student(seed));
    for (int i = 0; i < chosen.stages().size(); i++) {
      StageRecipe stage = chosen.stages().get(i);
      try (DatasetBatches batches = experiment.batches(stage, seed);
          TrainingStep step = experiment.step(stage, student, teachers)) {
        rank.trainer(method + "-stage" + i, step, batches).epochs(stage.epochs()).build().run();
      }
    }
    return StepJob.stateDict(student);
  }

  private static Network teacher(SparkRank rank, Experiment experiment, TeacherRecipe recipe) {
    Network teacher = network(rank, () -> experiment.teacher(recipe));
    if (recipe.isTrainedHere()) {
      try (DatasetBatches batches = experiment.teacherBatches(recipe);
          TrainingStep step = experiment.teacherStep(recipe, teacher)) {
        rank.trainer(recipe.run(), step, batches).epochs(recipe.epochs()).build().run();
      }
    }
    return teacher;
  }

  /** Ranks may be threads of one process, which share a random number generator. */
  private static Network network(SparkRank rank, Supplier<Network> maker) {
    synchronized (RecipeJob.class) {
      return rank.closeAtEnd(maker.get());
    }
  }
}
