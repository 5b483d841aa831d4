package org.retort.cli;

import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import org.retort.recipes.Recipe;
import org.retort.recipes.RecipeException;
import org.retort.recipes.Recipes;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code retort recipes}: lists the recipes, or prints one. */
@Command(
    name = "recipes",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    description = {
      "Lists the recipes that come with Retort, or prints one as a starting point for your own.%n"
    })
final class RecipesCommand implements Callable<Integer> {
  @Parameters(
      arity = "0..1",
      paramLabel = "<name|file>",
      description = "The recipe to check and print.")
  private String name;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    if (name != null) {
      out.print(load(name).text());
    } else {
      for (String each : Recipes.names()) {
        print(out, load(each));
      }
    }
    out.flush();
    return 0;
  }

  private Recipe load(String nameOrFile) {
    try {
      return Recipes.load(nameOrFile);
    } catch (RecipeException failure) {
      throw OptionValues.wrong(spec, failure.getMessage());
    }
  }

  private static void print(PrintWriter out, Recipe recipe) {
    List<String> lines =
        List.of(
            recipe.name() + ": " + recipe.title(),
            "  data: " + recipe.data().name(),
            "  teacher: " + teachers(recipe) + ", student: " + recipe.student().network().name(),
            "  methods: " + String.join(", ", recipe.methodNames()),
            "  source: " + recipe.source());
    lines.forEach(out::println);
  }

  private static String teachers(Recipe recipe) {
    return String.join(" and ", recipe.teacherTitles());
  }
}
