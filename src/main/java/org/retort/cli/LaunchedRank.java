package org.retort.cli;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a process started by {@code retort launch} knows. */
final class LaunchedRank {
  private static final String COMMAND = "retort.launch.command";
  private static final String TIMEOUT = "retort.launch.timeout";
  private static final String TERMINAL = "retort.launch.terminal";

  private LaunchedRank() {}

  /**
   * The settings that the launcher passes to all ranks.
   *
   * @param command what was typed before the command
   * @param timeout how long a rank waits for the others
   * @param isTerminal whether rank 0 shows its progress on a terminal
   */
  record Settings(String command, Duration timeout, boolean isTerminal) {
    /** Returns options of the virtual machine that pass on the settings. */
    List<String> options(int rank) {
      List<String> options = new ArrayList<>();
      options.add("-D" + COMMAND + "=" + command);
      options.add("-D" + TIMEOUT + "=" + timeout.toSeconds());
      options.add("-D" + TERMINAL + "=" + (rank == 0 && isTerminal));
      return options;
    }
  }

  /** Returns what was typed before the command, if this process was launched. */
  static Optional<String> command() {
    return Optional.ofNullable(System.getProperty(COMMAND));
  }

  /** Returns how long to wait for other ranks, if the launcher says so. */
  static Optional<Duration> timeout() {
    return Optional.ofNullable(Long.getLong(TIMEOUT)).map(Duration::ofSeconds);
  }

  /**
   * Returns whether this process's output is shown on a terminal, which it can't determine itself.
   */
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
