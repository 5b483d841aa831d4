package org.retort.data;

import java.util.NoSuchElementException;

/**
 * A source of training batches, epoch by epoch. Every epoch has the same number of batches, and the
 * same epoch of the same source always has the same ones, whatever was read before: that is how a
 * training that was interrupted goes on as if it had not been.
 *
 * <p>Several processes that train together ({@link org.retort.distributed.Ranks}) each have a
 * source that gives its part of every batch. The number of batches and the fingerprint are the same
 * for all of them.
 *
 * <p>A source is meant for one thread.
 */
public interface Batches {
  /**
   * The number of batches in an epoch.
   *
   * @return at least 1
   */
  int stepsPerEpoch();

  /**
   * Goes to the beginning of an epoch; the epoch before need not be at its end.
   *
   * @param epoch its number, from 0; decides, with the source's seed, the order of the data and
   *     what is done to them
   * @throws IllegalArgumentException if the number is negative
   */
  void startEpoch(int epoch);

  /**
   * Gives the next batch of the epoch.
   *
   * @return a batch that stays as it is until the next call; may be the same object every time
   * @throws NoSuchElementException if the epoch is at its end, or none was started
   */
  Batch next();

  /**
   * Skips some batches of the epoch. Reads them, unless the source knows a shorter way.
   *
   * @param count how many
   * @throws NoSuchElementException if the epoch has not that many left
   */
  default void skip(int count) {
    for (int i = 0; i < count; i++) {
      next();
    }
  }

  /**
   * Identifies what the batches consist of: two sources with the same fingerprint give the same
   * batches in every epoch. A checkpoint holds it, and a training is resumed only with batches of
   * the same fingerprint.
   *
   * @return a hash; 0 if it is not known. A training that began with unknown batches resumes with
   *     any, but not one that began with known ones
   */
  default long fingerprint() {
    return 0;
  }
}
