package org.retort.train;

import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.retort.internal.Arguments;

/**
 * The results of a training, including earlier runs if it was resumed.
 *
 * @param end why it ended
 * @param epochs number of completed epochs
 * @param steps number of steps, including those of an unfinished epoch
 * @param bestScore the largest score; empty if there was none
 * @param bestEpoch the epoch it came after, from 0; empty if there was none
 * @param seconds duration of this run, including evaluations and checkpoints
 */
public record TrainingSummary(
    End end,
    int epochs,
    long steps,
    OptionalDouble bestScore,
    OptionalInt bestEpoch,
    double seconds) {
  /**
   * Creates a summary.
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
     * There was no new best for the number of evaluations that {@link Trainer.Builder#patience}
     * allows.
     */
    STOPPED_EARLY,
    /** Stopped by {@link Trainer#stop} or an interrupt of the thread. */
    STOPPED,
    /** Failed with an exception or error, which {@link Trainer#run} rethrows. */
    FAILED
  }
}
