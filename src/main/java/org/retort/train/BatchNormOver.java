package org.retort.train;

/** The samples over which BatchNorms in training mode normalise, with several ranks. */
public enum BatchNormOver {
  /**
   * Each rank normalises over its own part of the batch, as PyTorch's {@code
   * DistributedDataParallel} does. The running statistics are the mean over the ranks, weighted by
   * their samples.
   */
  OWN_BATCH,

  /**
   * All ranks normalise over the whole batch, which gives the results of a single process and costs
   * two exchanges per BatchNorm.
   */
  ALL_RANKS
}
