package org.retort.examples.service;

import java.net.InetSocketAddress;
import java.nio.file.Path;

/**
 * What a service can be told.
 *
 * @param address where to listen; port 0 takes any that is free
 * @param folder where teacher and checkpoint are kept
 * @param teacherEpochs how long to train the teacher if the folder has none
 * @param httpThreads threads that answer requests
 * @param queueCapacity samples that may wait to be learned
 * @param batchSize samples a training step, at most
 * @param publishEvery training steps until predictions see the new weights
 * @param saveEvery training steps until a checkpoint is written
 */
record Settings(
    InetSocketAddress address,
    Path folder,
    int teacherEpochs,
    int httpThreads,
    int queueCapacity,
    int batchSize,
    int publishEvery,
    int saveEvery) {
  Settings {
    requirePositive("teacher epochs", teacherEpochs);
    requirePositive("HTTP threads", httpThreads);
    requirePositive("queue capacity", queueCapacity);
    requirePositive("batch size", batchSize);
    requirePositive("steps to publish", publishEvery);
    requirePositive("steps to save", saveEvery);
  }

  private static void requirePositive(String name, int value) {
    if (value < 1) {
      throw new IllegalArgumentException(name + " must be positive (got " + value + ")");
    }
  }
}
