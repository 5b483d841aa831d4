package org.retort.recipes;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** The data that recipes name. */
final class DataFactory {
  private static final Map<String, DataShape> SHAPES =
      new TreeMap<>(
          Map.of(
              "digits", DigitsData.SHAPE,
              "cifar10", new DataShape(3, 32, 32, 10, 50_000),
              "cifar100", new DataShape(3, 32, 32, 100, 50_000),
              "fashion-mnist", new DataShape(1, 28, 28, 10, 60_000),
              "mnist", new DataShape(1, 28, 28, 10, 60_000)));

  private DataFactory() {}

  /** Returns the names. */
  static Set<String> names() {
    return SHAPES.keySet();
  }

  /** Reads the data, from a folder unless they ship with Retort. */
  static ExperimentData open(DataRecipe recipe, Optional<Path> folder) {
    if (!recipe.name().equals("digits")) {
      throw new RecipeException(
          "data must be digits, which alone can be read (got " + recipe.name() + ")");
    }
    if (folder.isPresent()) {
      throw new RecipeException(
          "data of digits must come without a folder (got " + folder.get() + ")");
    }
    return new DigitsData(recipe);
  }

  /** Returns what is known of the data without reading them. */
  static DataShape shape(DataRecipe recipe) {
    return SHAPES.get(recipe.name());
  }
}
