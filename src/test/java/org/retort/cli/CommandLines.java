package org.retort.cli;

/** Reads command lines without running them. */
public final class CommandLines {
  private CommandLines() {}

  /**
   * Reads the arguments of {@code retort}.
   *
   * @throws picocli.CommandLine.ParameterException if there is no such command or option
   */
  public static void parse(String... args) {
    Main.commandLine().parseArgs(args);
  }
}
