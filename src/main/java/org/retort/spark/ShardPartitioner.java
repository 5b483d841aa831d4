package org.retort.spark;

import org.apache.spark.Partitioner;

/** Assigns rows to ranks by row number: row i belongs to rank i modulo the number of ranks. */
final class ShardPartitioner extends Partitioner {
  private static final long serialVersionUID = 1L;

  private final int ranks;

  ShardPartitioner(int ranks) {
    this.ranks = ranks;
  }

  @Override
  public int numPartitions() {
    return ranks;
  }

  @Override
  public int getPartition(Object key) {
    return (int) ((Long) key % ranks);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ShardPartitioner that && that.ranks == ranks;
  }

  @Override
  public int hashCode() {
    return ranks;
  }
}
