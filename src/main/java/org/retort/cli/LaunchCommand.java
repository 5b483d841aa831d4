package org.retort.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/** The command {@code retort launch}: runs another command as several ranks on this machine. */
@Command(
    name = LaunchCommand.NAME,
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    description = {
      "Runs distill or train as several processes on this machine, which share each batch.",
      "Sets RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT and, if unset,"
          + " OMP_NUM_THREADS for each process. Shows the output of rank 0. Ends all processes if"
          + " one fails.%n"
    },
    footer = {"%nExample:", "  retort launch --processes 2 distill --recipe digits"})
final class LaunchCommand implements Callable<Integer> {
  static final String NAME = "launch";

  private static final int MAX_PROCESSES = 1024;
  private static final int MAX_PORT = 65_535;
  private static final int MAX_SECONDS = 86_400;

  @Option(
      names = "--processes",
      required = true,
      paramLabel = "<n>",
      description = "Number of processes.")
  private Integer processes;

  @Option(
      names = "--port",
      paramLabel = "<port>",
      description = "TCP port on 127.0.0.1 for the processes to connect to. Default: a free port.")
  private Integer port;

  @Option(
      names = "--logs",
      paramLabel = "<folder>",
      description =
          "Folder for rank-1.log, rank-2.log, ..., the output of the other ranks. Default: a"
              + " temporary folder, which is kept if a rank fails.")
  private Path logs;

  @Option(
      names = "--timeout",
      paramLabel = "<seconds>",
      defaultValue = "600",
      description =
          "Seconds that a rank waits for the others; must be longer than an evaluation takes."
              + " Default: ${DEFAULT-VALUE}.")
  private Integer timeout;

  @Parameters(
      paramLabel = "<command>",
      arity = "1..*",
      description = "distill or train, with its options.")
  private List<String> command;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException, InterruptedException {
    OptionValues.requireBetween(spec, "--processes", processes, MAX_PROCESSES);
    OptionValues.requireBetween(spec, "--port", port, MAX_PORT);
    OptionValues.requireBetween(spec, "--timeout", timeout, MAX_SECONDS);
    PrintWriter err = spec.commandLine().getErr();
    CommandLine launched = Main.commandLine().setOut(spec.commandLine().getOut()).setErr(err);
    String[] arguments = command.toArray(String[]::new);
    ParseResult parsed = launched.parseArgs(arguments);
    if (Main.isHelp(parsed)) {
      return launched.execute(arguments);
    }
    if (!(Main.last(parsed).getCommand() instanceof OverRanks)) {
      throw OptionValues.wrong(
          spec, "<command> must be distill or train (got " + command.get(0) + ")");
    }
    makeLogs();
    return new Launcher(
            Main.class,
            command,
            processes,
            Optional.ofNullable(port),
            Optional.ofNullable(logs),
            new LaunchedRank.Settings(typed(), Duration.ofSeconds(timeout), Progress.isTerminal()),
            line -> err.println(spec.qualifiedName() + ": " + line))
        .run();
  }

  private void makeLogs() {
    try {
      if (logs != null) {
        Files.createDirectories(logs);
      }
    } catch (IOException e) {
      throw OptionValues.wrong(
          spec, "--logs must be a folder that exists or can be created (got " + logs + ")");
    }
  }

  /** Returns what was typed before the command. */
  private String typed() {
    List<String> all = spec.root().commandLine().getParseResult().originalArgs();
    return Work.quoted(all.subList(0, all.size() - command.size()));
  }
}
