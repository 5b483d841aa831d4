package org.retort.cli;

import ch.qos.logback.classic.Logger;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.retort.recipes.Experiment;
import org.retort.recipes.Recipe;
import org.retort.recipes.RecipeException;
import org.retort.recipes.Recipes;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The options of all commands that work on a recipe. */
final class CommonOptions {
  private static final int MAX_THREADS = 1024;

  /** What was typed for arguments by whose names recipes complain. */
  private static final Map<String, String> OPTIONS =
      Map.of(
          "recipe", "--recipe", "folder", "--data", "device", "--device", "weights", "--teacher");

  @Option(
      names = "--recipe",
      paramLabel = "<name|file>",
      defaultValue = "digits",
      description =
          "What to do: a recipe that ships with Retort, see 'retort recipes', or a file. Default:"
              + " ${DEFAULT-VALUE}.")
  private String recipe;

  @Option(
      names = "--data",
      paramLabel = "<folder>",
      description = "Where the recipe's data are, unless they ship with Retort.")
  private Path data;

  @Option(
      names = "--threads",
      paramLabel = OptionValues.THREADS_LABEL,
      description =
          "Threads for LibTorch. Default: the available processors, here ${DEFAULT-VALUE}.")
  private int threads;

  @Option(
      names = "--device",
      paramLabel = "<device>",
      defaultValue = "cpu",
      description = "Where networks are trained: cpu, cuda, cuda:1, ... Default: ${DEFAULT-VALUE}.")
  private String device;

  @Option(
      names = "--log-level",
      paramLabel = "<level>",
      description =
          "What to log on stderr: ${COMPLETION-CANDIDATES}. Default: WARN, or -Dretort.log.")
  private void setLogLevel(Level level) {
    if (level != null && LoggerFactory.getLogger("org.retort") instanceof Logger logger) {
      logger.setLevel(ch.qos.logback.classic.Level.toLevel(level.name()));
    }
  }

  @Spec(Target.MIXEE)
  private CommandSpec command;

  /** Returns the recipe as it was written. */
  Recipe recipe() {
    return checked(() -> Recipes.load(recipe));
  }

  /** Returns the folder of the data. */
  Optional<Path> data() {
    return Optional.ofNullable(data);
  }

  /** Reads a recipe's data. */
  Experiment open(Recipe changed) {
    return checked(() -> Experiment.open(changed, data()).on(device));
  }

  /** Takes noise in the place of a recipe's data. */
  Experiment onNoise(Recipe changed) {
    return checked(() -> Experiment.onNoise(changed).on(device));
  }

  /** Finds what is wrong in a recipe before anything is trained. */
  void check(Runnable work) {
    checked(
        () -> {
          work.run();
          return null;
        });
  }

  /** Returns the number of threads. */
  int threads() {
    OptionValues.requireBetween(command, "--threads", threads, MAX_THREADS);
    return threads;
  }

  /** Reports an error of a recipe, or of its combination with options, as a wrong option. */
  <T> T checked(Supplier<T> work) {
    try {
      return work.get();
    } catch (RecipeException failure) {
      throw OptionValues.wrong(command, ofOption(failure.getMessage()));
    }
  }

  private static String ofOption(String message) {
    String argument = message.substring(0, Math.max(0, message.indexOf(' ')));
    return OPTIONS.getOrDefault(argument, argument) + message.substring(argument.length());
  }
}
