package org.retort.train;

import org.retort.data.Batch;
import org.retort.data.Batches;

/** Batches that do what others do, but for what a subclass changes. */
abstract class ForwardingBatches implements Batches {
  private final Batches batches;

  ForwardingBatches(Batches batches) {
    this.batches = batches;
  }

  @Override
  public int stepsPerEpoch() {
    return batches.stepsPerEpoch();
  }

  @Override
  public void startEpoch(int epoch) {
    batches.startEpoch(epoch);
  }

  @Override
  public Batch next() {
    return batches.next();
  }

  @Override
  public void skip(int count) {
    batches.skip(count);
  }

  @Override
  public long fingerprint() {
    return batches.fingerprint();
  }
}
