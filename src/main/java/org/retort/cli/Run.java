package org.retort.cli;

import java.util.List;
import java.util.Map;

/**
 * One trained network.
 *
 * @param seed of its initial parameters and its batches
 * @param accuracyPercent on the test images
 * @param seconds that the steps of its training took, without evaluations
 * @param parameters how many it has
 * @param file its state dict, in the output folder
 * @param history what came out of each epoch; empty of a network that was trained elsewhere
 */
record Run(
    long seed,
    double accuracyPercent,
    double seconds,
    long parameters,
    String file,
    List<Epoch> history) {
  /**
   * What came out of an epoch. Means are over the steps of the process that ended it, NaN if it did
   * none.
   *
   * @param stage its stage, from 0
   * @param epoch its number in the stage, from 0
   * @param loss mean of the weighted sum
   * @param crossEntropy mean of the cross-entropy, before its weight
   * @param terms mean of each distillation loss, before its weight
   * @param trainAccuracyPercent on the labelled images while the network learned from them; null
   *     without any
   * @param accuracyPercent on the test images
   * @param learningRate of the last step
   * @param seconds that its steps took
   */
  record Epoch(
      int stage,
      int epoch,
      double loss,
      double crossEntropy,
      Map<String, Double> terms,
      Double trainAccuracyPercent,
      double accuracyPercent,
      double learningRate,
      double seconds) {}
}
