package org.retort.testing;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Runs things at the same time. */
public final class Threads {
  private static final long TIMEOUT_SECONDS = 12;

  private Threads() {}

  /** What a thread does. */
  @FunctionalInterface
  public interface Task {
    /** Does it. */
    void run() throws Exception;
  }

  /** Runs each task in a thread of its own; throws what one of them threw, or if one never ends. */
  public static void runAll(Task... tasks) throws Exception {
    List<Callable<Void>> callables = Arrays.stream(tasks).map(Threads::callable).toList();
    ExecutorService threads = Executors.newFixedThreadPool(tasks.length);
    try {
      for (Future<Void> task : threads.invokeAll(callables, TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        task.get();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  private static Callable<Void> callable(Task task) {
    return () -> {
      task.run();
      return null;
    };
  }
}
