package org.retort.spark;

import org.apache.spark.util.AccumulatorV2;

/** Carries the progress of rank 0 to the driver, with the heartbeats of its executor. */
final class ProgressAccumulator extends AccumulatorV2<RankProgress, RankProgress> {
  private static final long serialVersionUID = 1L;

  private volatile RankProgress value = RankProgress.NONE;

  @Override
  public boolean isZero() {
    return value.steps() == 0 && value.epochs().isEmpty();
  }

  @Override
  public ProgressAccumulator copy() {
    ProgressAccumulator copy = new ProgressAccumulator();
    copy.value = value;
    return copy;
  }

  @Override
  public void reset() {
    value = RankProgress.NONE;
  }

  /** Replaces the previous progress. */
  @Override
  public void add(RankProgress newer) {
    value = newer;
  }

  @Override
  public void merge(AccumulatorV2<RankProgress, RankProgress> other) {
    if (!other.isZero()) {
      value = other.value();
    }
  }

  @Override
  public RankProgress value() {
    return value;
  }
}
