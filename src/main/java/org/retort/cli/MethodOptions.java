package org.retort.cli;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.retort.recipes.DefaultRecipe;
import org.retort.recipes.Recipe;
import org.retort.recipes.Spelling;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The options that choose a recipe's methods, networks and weights. */
final class MethodOptions {
  @Option(
      names = "--methods",
      split = ",",
      paramLabel = "<method>",
      description = "Which of the recipe's methods. Default: all.")
  private List<String> methods;

  @Option(
      names = "--weights",
      split = ",",
      paramLabel = "<term>=<weight>",
      converter = {OptionValues.NameConverter.class, OptionValues.WeightConverter.class},
      description =
          "Weights of distillation terms, which are called as their losses unless the recipe names"
              + " them. Default: the recipe's.")
  private Map<String, Double> weights = Map.of();

  @Option(
      names = "--teacher",
      paramLabel = "<name|file.pt|name=file.pt|file.pt2>",
      converter = TeacherOption.Converter.class,
      description =
          "Another network as the teacher, or a state dict of it or a program, which is then not"
              + " trained. Default: the recipe's.")
  private TeacherOption teacher = TeacherOption.OF_RECIPE;

  @Option(
      names = "--student",
      paramLabel = "<name>",
      description = "Another network as the student. Default: the recipe's.")
  private String student;

  @Spec(Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--losses",
      split = ",",
      paramLabel = "<loss>",
      description =
          "Losses that the student learns by, at once, from data of one's own: kd, dkd, fsp, nst,"
              + " ofd, crd. Default: kd.")
  private List<String> losses = List.of();

  /** Returns the defaults for the user's own data with the chosen networks and losses. */
  DefaultRecipe choose(DefaultRecipe defaults) {
    requireNetworks();
    requireNames("--losses", losses, DefaultRecipe.knownLosses());
    return defaults.with(teacher.network(), teacher.file(), Optional.ofNullable(student), losses);
  }

  private void requireNetworks() {
    teacher.network().ifPresent(name -> OptionValues.requireNetwork(command, "--teacher", name));
    OptionValues.requireNetwork(command, "--student", student);
  }

  /** Returns the choice of teacher. */
  TeacherOption teacher() {
    return teacher;
  }

  /** Returns a recipe with the chosen networks and weights, and all methods. */
  Recipe change(Recipe recipe) {
    requireNetworks();
    if (teacher != TeacherOption.OF_RECIPE) {
      OptionValues.requireOneTeacher(command, "--teacher", recipe);
    }
    if (!losses.isEmpty()) {
      throw OptionValues.wrong(
          command, "--losses must come with data of one's own (got a recipe, see --methods)");
    }
    Recipe changed = teacher.of(recipe);
    changed = student == null ? changed : changed.withStudent(student);
    return changeWeights(changed);
  }

  /** Returns a recipe with the chosen weights. */
  Recipe changeWeights(Recipe recipe) {
    requireNames("--weights", weights.keySet(), recipe.weights().keySet());
    return recipe.withWeights(weights);
  }

  /** Returns a recipe with the chosen networks, weights and methods. */
  Recipe choose(Recipe recipe) {
    return withMethods(change(recipe));
  }

  /** Returns a recipe with only the chosen methods. */
  Recipe withMethods(Recipe recipe) {
    if (methods == null) {
      return recipe;
    }
    requireNames("--methods", methods, recipe.methodNames());
    return recipe.withMethods(Set.copyOf(methods));
  }

  private void requireNames(String option, Collection<String> names, Collection<String> known) {
    for (String name : names) {
      if (!known.contains(name)) {
        throw OptionValues.wrong(
            command,
            option
                + " must be of "
                + String.join(", ", known)
                + " (got "
                + Spelling.got(name, known)
                + ")");
      }
    }
  }
}
