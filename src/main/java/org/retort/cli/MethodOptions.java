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
      description = "Methods of the recipe to use. Default: all.")
  private List<String> methods;

  @Option(
      names = "--weights",
      split = ",",
      paramLabel = "<term>=<weight>",
      converter = {OptionValues.NameConverter.class, OptionValues.WeightConverter.class},
      description =
          "Weights of distillation terms; a term is named after its loss unless the recipe gives it"
              + " a name. Default: the recipe's.")
  private Map<String, Double> weights = Map.of();

  @Option(
      names = "--teacher",
      paramLabel = "<name|file.pt|name=file.pt|file.pt2>",
      converter = TeacherOption.Converter.class,
      description =
          "Teacher: a network to train, a state dict of the recipe's teacher (file.pt) or of"
              + " another network (name=file.pt), or an exported program; files are used without"
              + " training. Default: the recipe's.")
  private TeacherOption teacher = TeacherOption.OF_RECIPE;

  @Option(
      names = "--student",
      paramLabel = "<name>",
      description = "Student network. Default: the recipe's.")
  private String student;

  @Spec(Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--losses",
      split = ",",
      paramLabel = "<loss>",
      description =
          "Losses to combine when distilling on your own data: kd, dkd, fsp, nst, ofd, crd."
              + " Default: kd.")
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
      OptionValues.requireOneTeacher(command, "for --teacher", recipe);
    }
    if (!losses.isEmpty()) {
      throw OptionValues.wrong(
          command, "--losses must be used with your own data (got a recipe, see --methods)");
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
                + " must be among "
                + String.join(", ", known)
                + " (got "
                + Spelling.got(name, known)
                + ")");
      }
    }
  }
}
