package org.retort.cli;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ends the work in good order on SIGINT or SIGTERM: the process must not end while native code runs
 * or a file is being written. While this is open, the signal only sets a flag that the work looks
 * at after each step, and the process ends once the work has closed this.
 */
final class Interruption implements AutoCloseable {
  /** A step takes some milliseconds; the process shall end within a second in any case. */
  private static final long PATIENCE_MILLIS = 800;

  private final CountDownLatch closed = new CountDownLatch(1);
  private final Thread hook = new Thread(this::await, "retort-interruption");
  private volatile boolean requested;

  private Interruption() {}

  /** Starts to listen. */
  static Interruption listen() {
    Interruption interruption = new Interruption();
    Runtime.getRuntime().addShutdownHook(interruption.hook);
    return interruption;
  }

  /** Returns whether the process has been asked to end. */
  boolean isRequested() {
    return requested;
  }

  /** Throws if the process has been asked to end. */
  void check() {
    if (requested) {
      throw new CancellationException("interrupted");
    }
  }

  @Override
  public void close() {
    closed.countDown();
    if (!requested) {
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException e) {
        // the process is about to end
      }
    }
  }

  private void await() {
    requested = true;
    try {
      closed.await(PATIENCE_MILLIS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
