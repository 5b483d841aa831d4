package org.retort.cli;

import java.util.List;
import java.util.Map;

/**
 * One trained network.
 *
 * @param seed the seed of its initial parameters and batches
 * @param accuracyPercent its accuracy on the test images
 * @param seconds the time that its training steps took, without evaluations
 * @param parameters its number of parameters
 * @param file its state dict, in the output folder
 * @param history the results of each epoch; empty for a network that was trained elsewhere
 */
record Run(
    long seed,
    double accuracyPercent,
    double seconds,
    long parameters,
    String file,
    List<Epoch> history) {
  /**
   * The results of an epoch. Means are over the steps of the process that ended it, NaN if it did
   * none.
   *
   * @param stage its stage, from 0
   * @param epoch its number in the stage, from 0
   * @param loss the mean of the weighted sum
   * @param crossEntropy the mean of the cross-entropy, before its weight
   * @param terms the mean of each distillation loss, before its weight
   * @param trainAccuracyPercent the accuracy on the labelled images while the network learned from
   *     them; null if there are none
   * @param accuracyPercent the accuracy on the test images
   * @param learningRate the learning rate of the last step
   * @param seconds the time that its steps took
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
