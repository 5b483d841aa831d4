package org.retort.spark;

import java.io.Serializable;
import org.retort.internal.Arguments;

/**
 * The work that the ranks of a {@link SparkDistillation} do with their rows. Every rank runs the
 * same job. It is serialized and sent to the executors.
 *
 * <p>{@link StepJob} and {@link RecipeJob} are ready-made; {@link #of} creates one from a function.
 *
 * @param <T> the type of the rows
 */
public interface SparkJob<T> extends Serializable {
  /**
   * Returns the reader that turns rows into samples.
   *
   * @return the reader
   */
  SampleReader<T> reader();

  /**
   * Trains. All ranks take the same steps in the same order, see {@link
   * org.retort.distributed.Ranks}. If this method throws on one rank, all ranks end and Spark
   * retries the stage, with the files that the last attempt kept.
   *
   * <p>Trainers from {@link SparkRank#trainer} end when the task is killed. Your own loop must
   * check {@code TaskContext.get().isInterrupted()}, or it continues after its job is cancelled.
   *
   * @param rank the rank on which it runs, with its ranks, data and folder
   * @return the student's state dict, as {@link org.retort.models.Network#saveStateDict} writes it;
   *     that of rank 0 is the result
   * @throws Exception if anything goes wrong
   */
  byte[] train(SparkRank rank) throws Exception;

  /** The work of a job on a rank. */
  @FunctionalInterface
  interface Training extends Serializable {
    /**
     * Trains, as {@link SparkJob#train} does.
     *
     * @param rank the rank on which it runs
     * @return the student's state dict
     * @throws Exception if anything goes wrong
     */
    byte[] train(SparkRank rank) throws Exception;
  }

  /**
   * Creates a job from a function.
   *
   * @param reader turns rows into samples
   * @param training what each rank does
   * @param <T> the type of the rows
   * @return the job
   * @throws IllegalArgumentException if an argument is null
   */
  static <T> SparkJob<T> of(SampleReader<T> reader, Training training) {
    Arguments.notNull(reader, "SparkJob.of", "reader");
    Arguments.notNull(training, "SparkJob.of", "training");
    return new FunctionJob<>(reader, training);
  }
}
