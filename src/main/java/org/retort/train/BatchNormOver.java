package org.retort.train;

/** Whose samples BatchNorms in training mode normalise by, if there are several ranks. */
public enum BatchNormOver {
  /**
   * Each rank by the samples of its own part of the batch, as PyTorch's {@code
   * DistributedDataParallel} does. The running statistics are the mean over the ranks.
   */
  OWN_BATCH,

  /**
   * All ranks by the samples of the whole batch, which gives the results of one process and costs
   * two exchanges for each BatchNorm.
   */
  ALL_RANKS
}
