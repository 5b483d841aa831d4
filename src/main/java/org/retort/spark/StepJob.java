package org.retort.spark;

import java.io.ByteArrayOutputStream;
import java.io.Serializable;
import org.retort.Retort;
import org.retort.data.DatasetBatches;
import org.retort.internal.Arguments;
import org.retort.models.Network;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingStepBuilder;

/**
 * A job that trains for a number of epochs with your own step.
 *
 * <pre>{@code
 * StepJob.of(
 *         images,
 *         rank -> {
 *           Network teacher = rank.closeAtEnd(ResNet.cifar(14, 10, 1));
 *           teacher.loadStateDict(weights);
 *           Network student = rank.closeAtEnd(ResNet.cifar(8, 10, 1));
 *           return TrainingStep.builder(student, teacher)
 *               .inputShape(1, 8, 8)
 *               .add(0.9, KdLoss.of(4));
 *         })
 *     .withBatch(64)
 *     .withEpochs(20)
 * }</pre>
 *
 * <p>Immutable.
 *
 * @param reader turns rows into samples
 * @param maker creates the step on each rank
 * @param batch batch size, over all ranks together
 * @param epochs number of epochs
 * @param seed of the step's networks and of the order of the samples
 * @param <T> the type of the rows
 */
public record StepJob<T>(SampleReader<T> reader, StepMaker maker, int batch, int epochs, long seed)
    implements SparkJob<T> {
  private static final String NAME = "StepJob";
  private static final int DEFAULT_BATCH = 64;

  /** A factory for the step of a rank. */
  @FunctionalInterface
  public interface StepMaker extends Serializable {
    /**
     * Creates the step. Teacher weights must be the same on all ranks; the student becomes that of
     * rank 0.
     *
     * @param rank the rank, which closes the networks, see {@link SparkRank#closeAtEnd}
     * @return a builder, to which the job adds the ranks
     * @throws Exception if anything goes wrong
     */
    TrainingStepBuilder make(SparkRank rank) throws Exception;
  }

  /**
   * Checks the values.
   *
   * @param reader as above
   * @param maker as above
   * @param batch at least 1
   * @param epochs at least 1
   * @param seed any number
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public StepJob {
    Arguments.notNull(reader, NAME, "reader");
    Arguments.notNull(maker, NAME, "maker");
    Arguments.atLeast(batch, 1, NAME, "batch");
    Arguments.atLeast(epochs, 1, NAME, "epochs");
  }

  /**
   * Creates a job that trains for one epoch with batches of 64.
   *
   * @param reader turns rows into samples
   * @param maker creates the step on each rank
   * @param <T> the type of the rows
   * @return the job
   * @throws IllegalArgumentException if an argument is null
   */
  public static <T> StepJob<T> of(SampleReader<T> reader, StepMaker maker) {
    return new StepJob<>(reader, maker, DEFAULT_BATCH, 1, 0);
  }

  /**
   * Sets the batch size; 64 by default.
   *
   * @param batch over all ranks together, at least 1
   * @return a changed copy
   * @throws IllegalArgumentException if it is below 1
   */
  public StepJob<T> withBatch(int batch) {
    return new StepJob<>(reader, maker, batch, epochs, seed);
  }

  /**
   * Sets the number of epochs; 1 by default.
   *
   * @param epochs at least 1
   * @return a changed copy
   * @throws IllegalArgumentException if it is below 1
   */
  public StepJob<T> withEpochs(int epochs) {
    return new StepJob<>(reader, maker, batch, epochs, seed);
  }

  /**
   * Sets the seed; 0 by default. Networks depend on it if each rank is its own process: ranks that
   * are threads of one process share the random number generator.
   *
   * @param seed any number
   * @return a changed copy
   */
  public StepJob<T> withSeed(long seed) {
    return new StepJob<>(reader, maker, batch, epochs, seed);
  }

  @Override
  public byte[] train(SparkRank rank) throws Exception {
    Retort.manualSeed(seed);
    try (DatasetBatches batches = rank.batches().size(batch).seed(seed).build();
        TrainingStep step = maker.make(rank).ranks(rank.ranks()).build()) {
      rank.trainer("step", step, batches).epochs(epochs).build().run();
      return stateDict(step.student());
    }
  }

  /** Returns the weights of a network. */
  static byte[] stateDict(Network network) {
    ByteArrayOutputStream stream = new ByteArrayOutputStream();
    network.saveStateDict(stream);
    return stream.toByteArray();
  }
}
