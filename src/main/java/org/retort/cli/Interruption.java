package org.retort.cli;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Stops the work gracefully between two trainings on SIGINT or SIGTERM: the process must not end
 * while a file is being written. While this is open, the signal only sets a flag that the work
 * polls, and the process ends once the work has closed this, or after some time: nothing is lost
 * but the time of what was not done. A trainer makes the process wait by itself.
 */
final class Interruption implements AutoCloseable {
  /** Work other than training must not delay the process for longer. */
  private static final long PATIENCE_MILLIS = 800;

  private final CountDownLatch closed = new CountDownLatch(1);
  private final Thread hook = new Thread(this::await, "retort-interruption");
  private volatile boolean requested;
  private volatile Runnable first = () -> {};

  private Interruption() {}

  /** Starts listening for signals. */
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

  /**
   * Sets an action to run first when the process is asked to end, which waits for the action to
   * finish.
   */
  void first(Runnable action) {
    first = action;
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
    first.run();
    try {
      closed.await(PATIENCE_MILLIS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
