package org.retort.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.util.List;
import java.util.Objects;
import org.retort.FileException;
import org.retort.RankException;
import org.retort.Retort;
import org.retort.recipes.RecipeException;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExecutionException;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/** The command {@code retort}. A failure is reported as one line on stderr. */
@Command(
    name = "retort",
    description = "Knowledge distillation on LibTorch.",
    subcommands = {
      DistillCommand.class,
      TrainCommand.class,
      EvaluateCommand.class,
      ExportCommand.class,
      InspectCommand.class,
      LaunchCommand.class,
      OutputsCommand.class,
      PredictCommand.class,
      RecipesCommand.class,
      BenchCommand.class
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
public final class Main implements Runnable {
  /** The exit code after an interruption. */
  static final int INTERRUPTED = 130;

  /** The exit code after another rank has failed. */
  static final int OF_ANOTHER_RANK = 3;

  static {
    // Before the first logger and the first use of AWT. A logback.xml at the root of the class path
    // would decide for services, too, that only use the library.
    System.setProperty("java.awt.headless", "true");
    if (System.getProperty("logback.configurationFile") == null) {
      System.setProperty("logback.configurationFile", "org/retort/cli/logback.xml");
    }
  }

  @Spec private CommandSpec spec;

  private Main() {}

  /**
   * Runs the command and ends the process: with 0; with 2 after a wrong option, value or file; with
   * 3 if another rank has failed or is gone; with 130 if it was interrupted; with 1 after any other
   * failure.
   *
   * @param args the subcommand and its options
   */
  public static void main(String... args) {
    LaunchedRank.watch();
    System.exit(commandLine().execute(args));
  }

  /** Returns the command, ready to run. */
  static CommandLine commandLine() {
    CommandLine commandLine = new CommandLine(new Main());
    commandLine.getSubcommands().get(LaunchCommand.NAME).setStopAtPositional(true);
    return commandLine
        .setOut(new PrintWriter(System.out, true, StandardCharsets.UTF_8))
        .setErr(new PrintWriter(System.err, true, StandardCharsets.UTF_8))
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setExecutionStrategy(Main::execute)
        .setParameterExceptionHandler(
            (failure, args) ->
                report(failure.getCommandLine(), failure, CommandLine.ExitCode.USAGE))
        .setExecutionExceptionHandler(
            (failure, command, result) -> report(command, failure, exitCode(failure)));
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a subcommand must be given, see --help");
  }

  /**
   * Runs the parsed command; picocli itself lets an {@link Error}, such as a missing library,
   * escape.
   */
  private static int execute(ParseResult parsed) {
    requireOneProcess(parsed);
    try {
      return new CommandLine.RunLast().execute(parsed);
    } catch (Error e) {
      throw new ExecutionException(last(parsed), e.toString(), e);
    }
  }

  /** Throws if there are several ranks, each of which would do and write the same. */
  private static void requireOneProcess(ParseResult parsed) {
    String size = Objects.requireNonNullElse(System.getenv("WORLD_SIZE"), "1");
    boolean isOneOfSeveral = System.getenv("RANK") != null && !size.equals("1");
    CommandLine command = last(parsed);
    if (isOneOfSeveral && !isHelp(parsed) && !(command.getCommand() instanceof OverRanks)) {
      throw new ParameterException(
          command, "WORLD_SIZE must be 1 for a command that does not train (got " + size + ")");
    }
  }

  /** Returns whether help or the version was requested. */
  static boolean isHelp(ParseResult parsed) {
    return parsed.asCommandLineList().stream()
        .anyMatch(line -> line.isUsageHelpRequested() || line.isVersionHelpRequested());
  }

  /** Returns the command to run. */
  static CommandLine last(ParseResult parsed) {
    List<CommandLine> all = parsed.asCommandLineList();
    return all.get(all.size() - 1);
  }

  /** Prints a failure on one line, and returns the exit code. */
  static int report(CommandLine command, Exception failure, int exitCode) {
    LoggerFactory.getLogger(Main.class).debug("failed", failure);
    String name = command.getCommandSpec().qualifiedName();
    command.getErr().println(name + ": " + text(failure));
    return exitCode;
  }

  private static int exitCode(Throwable failure) {
    if (failure instanceof RankException) {
      return OF_ANOTHER_RANK;
    }
    boolean isOfTheUser =
        failure instanceof FileException
            || failure instanceof RecipeException
            || failure instanceof IOException
            || failure instanceof UncheckedIOException;
    return isOfTheUser ? CommandLine.ExitCode.USAGE : CommandLine.ExitCode.SOFTWARE;
  }

  /** Returns a one-line description of a failure. */
  static String text(Throwable failure) {
    return lines(failure).strip().replaceAll("\\s*\\R\\s*", " ");
  }

  private static String lines(Throwable failure) {
    boolean isWrapper =
        failure instanceof ExecutionException || failure instanceof ExceptionInInitializerError;
    if (isWrapper && failure.getCause() != null) {
      return lines(failure.getCause());
    }
    String message = failure.getMessage();
    boolean saysWhat = !(failure instanceof Error || failure instanceof FileSystemException);
    return saysWhat && message != null
        ? message
        : failure.getClass().getSimpleName() + ": " + message;
  }

  /** Provides the version of the library. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"retort " + Retort.version()};
    }
  }
}
