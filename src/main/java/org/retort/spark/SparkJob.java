package org.retort.spark;

import java.io.Serializable;
import org.retort.internal.Arguments;

/**
 * What the ranks of a {@link SparkDistillation} do with their rows. Every rank runs the same job.
 * It is serialized and sent to the executors.
 *
 * <p>{@link StepJob} and {@link RecipeJob} are ready-made; {@link #of} makes one of a function.
 *
 * @param <T> the type of the rows
 */
public interface SparkJob<T> extends Serializable {
  /**
   * Says what networks see of a row.
   *
   * @return the reader
   */
  SampleReader<T> reader();

  /**
   * Trains. All ranks make the same steps in the same order, see {@link
   * org.retort.distributed.Ranks}. If it throws on one rank, all ranks end and Spark retries the
   * stage, with the files that the last attempt has kept.
   *
   * <p>Trainers of {@link SparkRank#trainer} end when the task is killed. A loop of your own checks
   * {@code TaskContext.get().isInterrupted()}, or it goes on after its job was cancelled.
   *
   * @param rank the rank on which it runs, with its ranks, data and folder
   * @return the student's state dict, as {@link org.retort.models.Network#saveStateDict} writes it;
   *     that of rank 0 is the result
   * @throws Exception whatever goes wrong
   */
  byte[] train(SparkRank rank) throws Exception;

  /** What a job does on a rank. */
  @FunctionalInterface
  interface Training extends Serializable {
    /**
     * Trains, as {@link SparkJob#train} does.
     *
     * @param rank the rank on which it runs
     * @return the student's state dict
     * @throws Exception whatever goes wrong
     */
    byte[] train(SparkRank rank) throws Exception;
  }

  /**
   * Makes a job of a function.
   *
   * @param reader what networks see of a row
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
