package org.retort.cli;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.IntFunction;

/**
 * Processes that train students of the same output folder alongside this one. This process finishes
 * what a failed helper has not.
 */
final class Helpers implements AutoCloseable {
  private static final long PAUSE_MILLIS = 100;

  private final List<Process> helpers = new CopyOnWriteArrayList<>();

  /**
   * Starts helpers.
   *
   * @param count the number of helpers
   * @param arguments the command's arguments
   * @param log where the output of each goes
   */
  void start(int count, List<String> arguments, IntFunction<Path> log) throws IOException {
    for (int i = 1; i <= count; i++) {
      helpers.add(
          ChildProcess.builder(Main.class, List.of(), arguments)
              .redirectErrorStream(true)
              .redirectOutput(Redirect.to(log.apply(i).toFile()))
              .start());
    }
  }

  /** Gives helpers some time to make progress. */
  static void pause() {
    try {
      Thread.sleep(PAUSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted");
    }
  }

  /** Ends all helpers that are still running, by force if they take too long. */
  @Override
  public void close() {
    try {
      ChildProcess.end(helpers, () -> true);
    } catch (InterruptedException e) {
      helpers.forEach(Process::destroyForcibly);
      Thread.currentThread().interrupt();
    }
  }
}
