package org.retort.cli;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a process knows that {@code retort launch} has started. */
final class LaunchedRank {
  private static final String COMMAND = "retort.launch.command";
  private static final String TIMEOUT = "retort.launch.timeout";
  private static final String TERMINAL = "retort.launch.terminal";

  private LaunchedRank() {}

  /**
   * What the launcher tells all ranks.
   *
   * @param command what was typed in front of the command
   * @param timeout how long a rank waits for the others
   * @param isTerminal whether rank 0 shows its progress on a terminal
   */
  record Settings(String command, Duration timeout, boolean isTerminal) {
    /** Returns options of the virtual machine that say so. */
    List<String> options(int rank) {
      List<String> options = new ArrayList<>();
      options.add("-D" + COMMAND + "=" + command);
      options.add("-D" + TIMEOUT + "=" + timeout.toSeconds());
      options.add("-D" + TERMINAL + "=" + (rank == 0 && isTerminal));
      return options;
    }
  }

  /** Returns what was typed in front of the command, if this process was launched. */
  static Optional<String> command() {
    return Optional.ofNullable(System.getProperty(COMMAND));
  }

  /** Returns how long to wait for other ranks, if the launcher says so. */
  static Optional<Duration> timeout() {
    return Optional.ofNullable(Long.getLong(TIMEOUT)).map(Duration::ofSeconds);
  }

  /** Returns whether what this process shows is seen on a terminal, which it can't tell itself. */
  static boolean isOnTerminal() {
    return Boolean.getBoolean(TERMINAL);
  }

  /** Ends this process when its launcher ends, if it was launched. */
  static void watch() {
    if (command().isPresent()) {
      ChildProcess.endWithParent();
    }
  }
}
