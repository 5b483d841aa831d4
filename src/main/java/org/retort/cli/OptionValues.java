package org.retort.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import org.retort.RetortException;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.recipes.DataSpec;
import org.retort.recipes.NetworkRecipe;
import org.retort.recipes.Recipe;
import org.retort.recipes.RecipeException;
import org.retort.recipes.Spelling;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

/** Reads, shows and checks the values of our options. */
final class OptionValues {
  static final String THREADS_LABEL = "<threads>";

  private OptionValues() {}

  /** Throws unless an option, if given, is from 1 to {@code max}. */
  static void requireBetween(CommandSpec command, String option, Integer value, int max) {
    if (value != null && (value < 1 || value > max)) {
      throw wrong(command, option + " must be between 1 and " + max + " (got " + value + ")");
    }
  }

  /** Throws unless an option, if given, names a network. */
  static void requireNetwork(CommandSpec command, String option, String name) {
    if (name == null) {
      return;
    }
    if (NetworkRecipe.isProgram(name)) {
      requireFile(command, option, Path.of(name));
    } else if (!Networks.isName(name)) {
      throw wrong(
          command,
          "%s must be one of %s (got %s)"
              .formatted(
                  option,
                  String.join(", ", Networks.nameForms()),
                  Spelling.got(name, Networks.nameForms())));
    }
  }

  /**
   * Throws unless a recipe has a single teacher, whose outputs are not stored; {@code purpose} says
   * what needs it.
   */
  static void requireOneTeacher(CommandSpec command, String purpose, Recipe recipe) {
    boolean storesOutputs = !recipe.storedTeachers().isEmpty();
    if (recipe.teachers().size() != 1 || storesOutputs) {
      throw wrong(
          command,
          "--recipe must have a single teacher network %s (got %s in %s)"
              .formatted(
                  purpose,
                  storesOutputs ? "stored outputs" : recipe.teachers().size(),
                  recipe.name()));
    }
  }

  /** Reads the specification of the user's own data. */
  static DataSpec data(CommandSpec command, String text, String label) {
    try {
      return DataSpec.parse(text, label);
    } catch (RecipeException failure) {
      throw wrong(command, "--" + failure.getMessage());
    }
  }

  /** Throws unless a file exists. */
  static void requireFile(CommandSpec command, String option, Path file) {
    if (!Files.isRegularFile(file)) {
      throw wrong(command, "%s must be an existing file (got %s)".formatted(option, file));
    }
  }

  /** Throws unless a file can be written. */
  static void requireOutput(CommandSpec command, String option, Path file) {
    Path folder = file.toAbsolutePath().getParent();
    if (folder == null || !Files.isDirectory(folder) || Files.isDirectory(file)) {
      throw wrong(
          command, "%s must be a file in an existing folder (got %s)".formatted(option, file));
    }
  }

  /** Loads a state dict that an option names. */
  static void load(
      CommandSpec command, String option, Path file, Network network, String networkName) {
    try {
      network.loadStateDict(file);
    } catch (RetortException wrong) {
      throw wrong(
          command,
          "%s must be a state dict of %s (got %s: %s)"
              .formatted(
                  option, networkName, file, wrong.getMessage().replaceFirst("^[\\w.]+: ", "")));
    }
  }

  /** Returns the exception to throw about an option. */
  static ParameterException wrong(CommandSpec command, String message) {
    return new ParameterException(command.commandLine(), message);
  }

  /** The defaults that annotations can't express. */
  static final class Defaults implements IDefaultValueProvider {
    @Override
    public String defaultValue(ArgSpec arg) {
      return arg.paramLabel().equals(THREADS_LABEL) ? Integer.toString(threads()) : null;
    }

    /** Ranks may share a machine, so each is told how many threads it may use. */
    private static int threads() {
      String told = System.getenv("OMP_NUM_THREADS");
      boolean isRank = System.getenv("RANK") != null;
      return isRank && told != null && told.matches("[1-9]\\d{0,3}")
          ? Integer.parseInt(told)
          : Runtime.getRuntime().availableProcessors();
    }
  }

  /** Reads a name, which is checked once the recipe is known. */
  static final class NameConverter implements ITypeConverter<String> {
    @Override
    public String convert(String value) {
      return value;
    }
  }

  /** Reads a weight. */
  static final class WeightConverter implements ITypeConverter<Double> {
    @Override
    public Double convert(String value) {
      try {
        double weight = Double.parseDouble(value);
        if (weight >= 0 && weight <= Double.MAX_VALUE) {
          return weight;
        }
      } catch (NumberFormatException e) {
        // reported below, like a number out of range
      }
      throw new TypeConversionException("must be a number of at least 0 (got " + value + ")");
    }
  }
}
