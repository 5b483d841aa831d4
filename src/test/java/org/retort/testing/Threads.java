package org.retort.testing;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** Runs things at the same time. */
public final class Threads {
  private Threads() {}

  /** What a thread does. */
  @FunctionalInterface
  public interface Task {
    /** Does it. */
    void run() throws Exception;
  }

  /** Runs each task in a thread of its own; waits for all, throws what one of them threw. */
  public static void runAll(Task... tasks) throws Exception {
    List<Callable<Void>> callables = Arrays.stream(tasks).map(Threads::callable).toList();
    ExecutorService threads = Executors.newFixedThreadPool(tasks.length);
    try {
      for (Future<Void> task : threads.invokeAll(callables)) {
        task.get();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  /** Runs a task while another thread collects garbage again and again. */
  public static void runAmongCollections(Task task) throws Exception {
    AtomicBoolean isDone = new AtomicBoolean();
    runAll(
        () -> {
          while (!isDone.get()) {
            System.gc();
            TimeUnit.MILLISECONDS.sleep(1);
          }
        },
        () -> {
          try {
            task.run();
          } finally {
            isDone.set(true);
          }
        });
  }

  private static Callable<Void> callable(Task task) {
    return () -> {
      task.run();
      return null;
    };
  }
}
