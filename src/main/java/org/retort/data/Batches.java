package org.retort.data;

import java.util.NoSuchElementException;

/**
 * A source of training batches, epoch by epoch. Every epoch has the same number of batches, and the
 * same epoch of the same source always has the same ones, whatever was read before, so interrupted
 * training resumes as if it had never stopped.
 *
 * <p>Processes that train together ({@link org.retort.distributed.Ranks}) each have a source that
 * returns their part of every batch. The number of batches and the fingerprint are the same for all
 * of them.
 *
 * <p>A source is meant to be used by one thread.
 */
public interface Batches {
  /**
   * Returns the number of batches per epoch.
   *
   * @return at least 1
   */
  int stepsPerEpoch();

  /**
   * Starts an epoch; the previous one need not be finished.
   *
   * @param epoch its number, from 0; together with the source's seed, decides the order of the data
   *     and what is done to it
   * @throws IllegalArgumentException if the number is negative
   */
  void startEpoch(int epoch);

  /**
   * Returns the next batch of the epoch.
   *
   * @return a batch that remains unchanged until the next call; may be the same object every time
   * @throws NoSuchElementException if the epoch has ended, or none was started
   */
  Batch next();

  /**
   * Skips batches of the epoch. Reads them unless the source has a faster way.
   *
   * @param count the number of batches
   * @throws NoSuchElementException if the epoch has fewer left
   */
  default void skip(int count) {
    for (int i = 0; i < count; i++) {
      next();
    }
  }

  /**
   * Identifies the content of the batches: two sources with the same fingerprint give the same
   * batches in every epoch. A checkpoint holds it, and training resumes only with batches of the
   * same fingerprint.
   *
   * @return a hash; 0 if it is unknown. Training that began with unknown batches resumes with any,
   *     but training that began with known ones does not
   */
  default long fingerprint() {
    return 0;
  }
}
