package org.retort.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The progress of rank 0. Immutable.
 *
 * @param training what it trains
 * @param steps the number of steps taken in this attempt
 * @param loss of the last step
 * @param imagesPerSecond of the last epoch, or of the steps so far
 * @param epochs the epochs that have ended in this attempt
 */
record RankProgress(
    String training, long steps, double loss, double imagesPerSecond, List<SparkEpoch> epochs)
    implements Serializable {
  static final RankProgress NONE = new RankProgress("", 0, 0, 0, List.of());

  /** Adds a step. */
  RankProgress withStep(String ofTraining, double total, double perSecond) {
    return new RankProgress(ofTraining, steps + 1, total, perSecond, epochs);
  }

  /** Adds an epoch. */
  RankProgress withEpoch(SparkEpoch epoch) {
    List<SparkEpoch> more = new ArrayList<>(epochs);
    more.add(epoch);
    return new RankProgress(training, steps, loss, epoch.imagesPerSecond(), List.copyOf(more));
  }

  /** Returns the text for Spark's web UI. */
  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%s: step %d, loss %.4g, %.0f images/s",
        training,
        steps,
        loss,
        imagesPerSecond);
  }
}
