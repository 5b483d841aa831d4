package org.retort.cli;

import ch.qos.logback.classic.Logger;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;
import org.retort.distributed.Ranks;
import org.retort.recipes.DataSpec;
import org.retort.recipes.DefaultRecipe;
import org.retort.recipes.Experiment;
import org.retort.recipes.Recipe;
import org.retort.recipes.RecipeException;
import org.retort.recipes.Recipes;
import org.retort.train.BatchNormOver;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The options of all commands that work on a recipe. */
final class CommonOptions {
  private static final String DEFAULT = "digits";
  private static final String CUDA = "cuda";
  private static final int MAX_THREADS = 1024;

  /** The options behind the argument names that recipe errors mention. */
  private static final Map<String, String> OPTIONS =
      Map.of(
          "recipe",
          "--recipe",
          "folder",
          "--data",
          "data",
          "--data",
          "label",
          "--label",
          "device",
          "--device",
          "weights",
          "--teacher",
          "teacher",
          "--teacher");

  @Option(
      names = "--recipe",
      paramLabel = "<name|file>",
      description =
          "Recipe that comes with Retort (see 'retort recipes') or recipe file. Default: digits, or"
              + " one generated for your own data.")
  private String recipe;

  @Option(
      names = "--data",
      paramLabel = "<folder|kind:path>",
      description =
          "Folder with the recipe's data, unless they come with Retort; or, without --recipe, your"
              + " own data: folder:PATH with one subfolder per class, csv:FILE, idx:FOLDER or"
              + " cifar:FOLDER.")
  private String data;

  @Option(
      names = "--label",
      paramLabel = "<column>",
      description = "Column of the CSV file that contains the classes.")
  private String label;

  @Option(
      names = "--threads",
      paramLabel = OptionValues.THREADS_LABEL,
      description =
          "Number of LibTorch threads. Default: OMP_NUM_THREADS when run as a rank, otherwise all"
              + " available processors, here ${DEFAULT-VALUE}.")
  private int threads;

  @Option(
      names = "--device",
      paramLabel = "<device>",
      defaultValue = "cpu",
      description =
          "Device to run networks on: cpu, cuda, cuda:1, ... With cuda, each rank uses the GPU"
              + " numbered by its LOCAL_RANK. Default: ${DEFAULT-VALUE}.")
  private String device;

  @Option(
      names = "--log-level",
      paramLabel = "<level>",
      description =
          "Log level on stderr: ${COMPLETION-CANDIDATES}. Default: WARN, or the value of"
              + " -Dretort.log.")
  private void setLogLevel(Level level) {
    if (level != null && LoggerFactory.getLogger("org.retort") instanceof Logger logger) {
      logger.setLevel(ch.qos.logback.classic.Level.toLevel(level.name()));
    }
  }

  @Spec(Target.MIXEE)
  private CommandSpec command;

  /** Returns the recipe as written, or the defaults for the user's own data. */
  Recipe recipe() {
    return ownData()
        .map(own -> ofOwnData(DefaultRecipe.of(own)))
        .orElseGet(() -> checked(() -> Recipes.load(recipe == null ? DEFAULT : recipe)));
  }

  /** Returns the defaults for the user's own data. */
  Recipe ofOwnData(DefaultRecipe defaults) {
    return checked(defaults::recipe);
  }

  /** Returns the user's own data, if given. */
  Optional<DataSpec> ownData() {
    boolean isSpec = data != null && DataSpec.isSpec(data);
    if (!isSpec && label != null) {
      throw OptionValues.wrong(
          command,
          "--label must be used with --data csv:FILE (got %s)"
              .formatted(data == null ? "none" : data));
    }
    if (isSpec && recipe != null) {
      throw OptionValues.wrong(
          command, "--data must be a folder if --recipe is given (got %s)".formatted(data));
    }
    return isSpec ? Optional.of(OptionValues.data(command, data, label)) : Optional.empty();
  }

  /** Returns the folder of the recipe's data. */
  Optional<Path> data() {
    return data == null || ownData().isPresent() ? Optional.empty() : Optional.of(Path.of(data));
  }

  /** Reads a recipe's data. */
  Experiment open(Recipe changed) {
    return checked(() -> Experiment.open(changed, data()).on(device));
  }

  /** Reads a recipe's data, to train over ranks, each of a machine's ranks on its own GPU. */
  Experiment open(Recipe changed, Ranks ranks, BatchNormOver batchNorm) {
    String local = Objects.requireNonNullElse(System.getenv("LOCAL_RANK"), "0");
    boolean isAnother = device.equals(CUDA) && ranks.size() > 1 && !local.equals("0");
    String own = isAnother ? device + ":" + local : device;
    return checked(() -> Experiment.open(changed, data()).on(own).over(ranks, batchNorm));
  }

  /** Returns whether networks are trained on a GPU. */
  boolean isOnGpu() {
    return device.startsWith(CUDA);
  }

  /** Uses noise in place of a recipe's data. */
  Experiment onNoise(Recipe changed) {
    return checked(() -> Experiment.onNoise(changed).on(device));
  }

  /** Checks a recipe for errors before anything is trained. */
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
    String argument = message.replaceFirst("(?s)(: | ).*", "");
    return OPTIONS.getOrDefault(argument, argument) + message.substring(argument.length());
  }
}
