package org.retort.spark;

import java.nio.FloatBuffer;
import org.retort.data.Dataset;
import org.retort.data.ImageShape;
import org.retort.internal.Arguments;

/** All samples of a training. A rank knows all labels, but only the values of its own shard. */
final class ShardDataset implements Dataset {
  private static final String NAME = "ShardDataset";

  private final ShardFile own;
  private final int rank;
  private final int[][] labels; // of each rank's shard
  private final int size;
  private final int classes;
  private final long[] inputShape;
  private final long fingerprint;

  /**
   * Combines the shards.
   *
   * @param labels of the shards, in rank order
   * @param checksums of the shards
   */
  ShardDataset(
      ShardFile own, int rank, int[][] labels, long[] checksums, int classes, long[] inputShape) {
    this.own = own;
    this.rank = rank;
    this.labels = labels;
    this.classes = classes;
    this.inputShape = inputShape;
    long all = 0;
    long hash = labels.length;
    for (int i = 0; i < labels.length; i++) {
      all += labels[i].length;
      hash = 31 * (31 * hash + labels[i].length) + checksums[i];
    }
    for (long length : inputShape) {
      hash = 31 * hash + length;
    }
    Arguments.between(all, 1, Integer.MAX_VALUE, "SparkDistillation.train", "number of rows");
    size = (int) all;
    fingerprint = 31 * hash + classes;
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public ImageShape shape() {
    return inputShape.length == 1
        ? new ImageShape((int) inputShape[0], 1, 1)
        : new ImageShape((int) inputShape[0], (int) inputShape[1], (int) inputShape[2]);
  }

  @Override
  public long[] inputShape() {
    return inputShape.clone();
  }

  @Override
  public int label(int index) {
    Arguments.between(index, 0, size - 1, NAME + ".label", "index");
    return labels[index % labels.length][index / labels.length];
  }

  @Override
  public void read(int index, FloatBuffer image) {
    Arguments.between(index, 0, size - 1, NAME + ".read", "index");
    Arguments.check(
        index % labels.length == rank,
        "%s: index must be of the shard of rank %s of %s; draw by DatasetBatches.Builder.shard"
            + " (got %s)",
        NAME + ".read",
        rank,
        labels.length,
        index);
    own.read(index / labels.length, image);
  }

  /** Returns a hash of the values and labels of all samples. */
  @Override
  public long fingerprint() {
    return fingerprint;
  }
}
