package org.retort.train;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stops this thread's training when the process is about to exit, and makes the process wait for it
 * until {@link #close}.
 */
final class ShutdownStop implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Trainer.class);
  private static final long LOOK_MILLIS = 50;

  private final Runnable stop;
  private final Thread training = Thread.currentThread();
  private final CountDownLatch closed = new CountDownLatch(1);
  private final Thread hook = new Thread(this::stopAndWait, "retort-shutdown");

  private ShutdownStop(Runnable stop) {
    this.stop = stop;
  }

  /** Starts watching. Stops at once if the process is already about to exit. */
  static ShutdownStop install(Runnable stop) {
    ShutdownStop installed = new ShutdownStop(stop);
    try {
      Runtime.getRuntime().addShutdownHook(installed.hook);
    } catch (IllegalStateException ending) {
      stop.run();
    }
    return installed;
  }

  private void stopAndWait() {
    stop.run();
    LOG.info("the process is about to end, stopping after the running step");
    try {
      while (!closed.await(LOOK_MILLIS, TimeUnit.MILLISECONDS) && !isExiting(training)) {
        // a step takes as long as it takes
      }
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Returns whether a thread waits in System.exit for the hooks, which must then not wait for it.
   */
  private static boolean isExiting(Thread thread) {
    return Stream.of(thread.getStackTrace())
        .anyMatch(frame -> frame.getClassName().equals("java.lang.Shutdown"));
  }

  @Override
  public void close() {
    closed.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException ending) {
      // the hook runs, or will find that there is nothing to wait for
    }
  }
}
