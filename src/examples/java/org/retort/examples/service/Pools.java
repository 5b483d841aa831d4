package org.retort.examples.service;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;

/** What the JDK's own {@code ExecutorService.close()} does from 19 on. */
final class Pools {
  private Pools() {}

  /** Lets what was taken end, and waits for that even if interrupted. */
  static void close(ExecutorService pool) {
    pool.shutdown();
    boolean interrupted = false;
    while (!pool.isTerminated()) {
      try {
        pool.awaitTermination(1, TimeUnit.DAYS);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
