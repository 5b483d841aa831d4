package org.retort.spark;

import java.util.List;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.data.DatasetBatches;
import org.retort.data.ImageShape;

/**
 * The batches of all ranks as those of one process.
 *
 * @param shards of the ranks
 * @param batch what they are put into
 */
record JoinedBatches(List<DatasetBatches> shards, Batch batch) implements Batches {
  static JoinedBatches of(List<DatasetBatches> shards, int size, ImageShape shape) {
    return new JoinedBatches(
        shards, Batch.allocate(size, shape.channels(), shape.height(), shape.width()));
  }

  @Override
  public int stepsPerEpoch() {
    return shards.get(0).stepsPerEpoch();
  }

  @Override
  public void startEpoch(int epoch) {
    shards.forEach(shard -> shard.startEpoch(epoch));
  }

  @Override
  public Batch next() {
    batch.images().clear();
    batch.labels().clear();
    batch.indices().clear();
    for (DatasetBatches shard : shards) {
      Batch part = shard.next();
      batch.images().put(part.images().duplicate());
      batch.labels().put(part.labels().duplicate());
      batch.indices().put(part.indices().duplicate());
    }
    batch.images().flip();
    batch.labels().flip();
    batch.indices().flip();
    return batch;
  }
}
