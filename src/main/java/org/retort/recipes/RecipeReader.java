package org.retort.recipes;

import java.util.ArrayList;
import java.util.List;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.Node;

/** Parses a recipe from YAML. */
final class RecipeReader {
  private RecipeReader() {}

  /** Reads a recipe, called {@code file} in messages. */
  static Recipe read(String file, String text) {
    Fields fields = new Fields(file, "recipe", compose(file, text));
    DataRecipe data = DataRecipe.read(fields.mapping("data"));
    StudentRecipe student =
        StudentRecipe.read(fields.mapping("student"), data.labelsPerClass().isPresent());
    TeachersRecipe teachers = TeachersRecipe.read(fields);
    Recipe recipe =
        new Recipe(
            fields.name("name"),
            fields.text("title", fields.text("name")),
            fields.text("source"),
            text,
            data,
            List.copyOf(teachers.networks()),
            List.copyOf(teachers.stored()),
            student,
            OptimizerRecipe.read(fields.mapping("optimizer"), student.epochs()),
            methods(fields.mapping("methods"), student.epochs()));
    fields.finish();
    return recipe;
  }

  private static List<Method> methods(Fields fields, int epochs) {
    List<Method> methods = new ArrayList<>();
    for (String name : fields.keys()) {
      methods.add(Method.read(fields.checkedName(name, name), fields.mapping(name), epochs));
    }
    if (methods.isEmpty()) {
      throw fields.wrong("methods", "be at least one", "none");
    }
    return List.copyOf(methods);
  }

  private static Node compose(String file, String text) {
    try {
      return new Compose(LoadSettings.builder().setLabel(file).build())
          .composeString(text)
          .orElseThrow(
              () -> new RecipeException(file + ": recipe must be a mapping (got nothing)"));
    } catch (MarkedYamlEngineException failure) {
      String line =
          failure.getProblemMark().map(Mark::getLine).map(number -> ":" + (number + 1)).orElse("");
      throw new RecipeException(
          file + line + ": recipe must be YAML (got " + failure.getProblem() + ")", failure);
    } catch (YamlEngineException failure) {
      throw new RecipeException(
          file + ": recipe must be YAML (got " + failure.getMessage() + ")", failure);
    }
  }
}
