package org.retort.cli;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import org.retort.RankException;
import picocli.CommandLine.Model.CommandSpec;

/** How a command does what takes long: under a bar, until the process is asked to end. */
final class Work {
  private static final String RESUME = "--resume";

  private Work() {}

  /** What takes long. */
  interface Task<T> {
    T run(Progress progress, Interruption interruption) throws IOException;
  }

  /** What is done with the outcome. */
  interface Report<T> {
    void of(T outcome) throws IOException;
  }

  /**
   * Does a task that handles so many of a unit, then reports; returns the exit code. If it is
   * interrupted, a command that can resume says how.
   */
  static <T> int run(CommandSpec command, String unit, long count, Task<T> task, Report<T> report)
      throws IOException {
    return run(command, true, unit, count, task, report);
  }

  /** Does the same as one of several ranks, of which only the first shows and reports anything. */
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
          throw e; // else the others, which were interrupted, too, are gone
        }
        if (isFirst && command.findOption(RESUME) != null) {
          sayHowToResume(command); // while the process waits for this
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

  /** Returns what was typed. */
  static String commandLine(CommandSpec command) {
    String typed = quoted(command.root().commandLine().getParseResult().originalArgs());
    return "retort " + LaunchedRank.command().map(launch -> launch + " ").orElse("") + typed;
  }

  /** Returns arguments as a shell takes them. */
  static String quoted(List<String> arguments) {
    return arguments.stream().map(Work::quoted).collect(Collectors.joining(" "));
  }

  private static String quoted(String argument) {
    return argument.matches("[\\w./=,:@%+-]+")
        ? argument
        : "'" + argument.replace("'", "'\\''") + "'";
  }
}
