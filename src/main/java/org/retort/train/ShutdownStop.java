package org.retort.train;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stops the training of this thread when the process is about to end, and lets the process wait for
 * it: until {@link #close}.
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

  /** Begins to watch. Stops at once if the process is about to end already. */
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

  /** Whether a thread waits in System.exit for the hooks, so that they must not wait for it. */
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
      // it runs, or will find that there is nothing to wait for
    }
  }
}
