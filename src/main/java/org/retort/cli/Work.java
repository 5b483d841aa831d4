package org.retort.cli;

import java.io.IOException;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;

/** How a command does what takes long: under a bar, until the process is asked to end. */
final class Work {
  private static final int INTERRUPTED = 130;

  private Work() {}

  /** What takes long. */
  interface Task<T> {
    T run(Progress progress, Interruption interruption) throws IOException;
  }

  /** What is done with the outcome. */
  interface Report<T> {
    void of(T outcome) throws IOException;
  }

  /** Does a task of so many steps, then reports; returns the exit code. */
  static <T> int run(String name, long steps, Task<T> task, Report<T> report) throws IOException {
    try (Interruption interruption = Interruption.listen()) {
      T outcome;
      try (Progress progress = Progress.start(name, steps)) {
        outcome = task.run(progress, interruption);
      }
      interruption.check();
      report.of(outcome);
      return 0;
    } catch (CancellationException e) {
      return INTERRUPTED;
    }
  }

  /** Returns what was typed. */
  static String commandLine(CommandSpec command) {
    return command.root().commandLine().getParseResult().originalArgs().stream()
        .map(Work::quoted)
        .collect(Collectors.joining(" ", "retort ", ""));
  }

  private static String quoted(String argument) {
    return argument.matches("[\\w./=,:@%+-]+")
        ? argument
        : "'" + argument.replace("'", "'\\''") + "'";
  }
}
