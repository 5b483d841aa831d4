package org.retort.train;

import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.retort.internal.Arguments;

/**
 * What came out of a training, with what earlier runs did if it was resumed.
 *
 * @param end why it ended
 * @param epochs number of whole epochs
 * @param steps number of steps, with those of an epoch that is not whole
 * @param bestScore the largest score; empty if there was none
 * @param bestEpoch the epoch it came after, from 0; empty if there was none
 * @param seconds that this run took, with evaluations and checkpoints
 */
public record TrainingSummary(
    End end,
    int epochs,
    long steps,
    OptionalDouble bestScore,
    OptionalInt bestEpoch,
    double seconds) {
  /**
   * Tells of a training.
   *
   * @param end as above
   * @param epochs as above
   * @param steps as above
   * @param bestScore as above
   * @param bestEpoch as above
   * @param seconds as above
   * @throws IllegalArgumentException if end, best score or best epoch is null, or the seconds are
   *     negative or not finite
   */
  public TrainingSummary {
    Arguments.notNull(end, "TrainingSummary", "end");
    Arguments.notNull(bestScore, "TrainingSummary", "best score");
    Arguments.notNull(bestEpoch, "TrainingSummary", "best epoch");
    Arguments.notNegative(seconds, "TrainingSummary", "seconds");
  }

  /** Why a training ended. */
  public enum End {
    /** All epochs are done. */
    FINISHED,
    /**
     * There was no new best for the number of evaluations that {@link Trainer.Builder#stopAfter}
     * allows.
     */
    STOPPED_EARLY,
    /** By {@link Trainer#stop}, or the thread was interrupted. */
    STOPPED,
    /** By an exception, which {@link Trainer#run} passes on. */
    FAILED
  }
}
