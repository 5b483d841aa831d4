package org.retort.cli;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import org.retort.RankException;
import picocli.CommandLine.Model.CommandSpec;

/** Runs a command's long-running work: with a progress bar, until the process is asked to end. */
final class Work {
  private static final String RESUME = "--resume";

  private Work() {}

  /** A long-running task. */
  interface Task<T> {
    T run(Progress progress, Interruption interruption) throws IOException;
  }

  /** Handles the outcome. */
  interface Report<T> {
    void of(T outcome) throws IOException;
  }

  /**
   * Does a task that handles {@code count} of a unit, then reports; returns the exit code. If it is
   * interrupted, a command that can resume says how.
   */
  static <T> int run(CommandSpec command, String unit, long count, Task<T> task, Report<T> report)
      throws IOException {
    return run(command, true, unit, count, task, report);
  }

  /** Does the same as one of several ranks, only the first of which shows and reports anything. */
  static <T> int run(
      CommandSpec command, boolean isFirst, String unit, long count, Task<T> task, Report<T> report)
      throws IOException {
    try (Interruption interruption = Interruption.listen()) {
      try {
        T outcome;
        try (Progress progress =
            isFirst
                ? Progress.start(command.name(), unit, count)
                : Progress.silent(command.name(), count)) {
          outcome = task.run(progress, interruption);
        }
        interruption.check();
        if (isFirst) {
          report.of(outcome);
        }
        return 0;
      } catch (CancellationException | RankException e) {
        if (e instanceof RankException && !interruption.isRequested()) {
          throw e; // otherwise the others, which were also interrupted, are gone
        }
        if (isFirst && command.findOption(RESUME) != null) {
          sayHowToResume(command); // the process still waits for this
        }
        return Main.INTERRUPTED;
      }
    }
  }

  private static void sayHowToResume(CommandSpec command) {
    String typed = commandLine(command);
    String resuming =
        (" " + typed + " ").contains(" " + RESUME + " ") ? typed : typed + " " + RESUME;
    command
        .commandLine()
        .getErr()
        .println(command.qualifiedName() + ": interrupted; to resume: " + resuming);
  }

  /** Returns the command line as typed. */
  static String commandLine(CommandSpec command) {
    String typed = quoted(command.root().commandLine().getParseResult().originalArgs());
    return "retort " + LaunchedRank.command().map(launch -> launch + " ").orElse("") + typed;
  }

  /** Returns arguments quoted for a shell. */
  static String quoted(List<String> arguments) {
    return arguments.stream().map(Work::quoted).collect(Collectors.joining(" "));
  }

  private static String quoted(String argument) {
    return argument.matches("[\\w./=,:@%+-]+")
        ? argument
        : "'" + argument.replace("'", "'\\''") + "'";
  }
}
