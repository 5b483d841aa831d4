package org.retort.recipes;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.retort.internal.ShippedFiles;

/** The recipes that ship with Retort, and those written by users. */
public final class Recipes {
  private static final List<String> NAMES =
      List.of("digits", "fashion-mnist", "letters", "cifar100-repdistiller", "cifar100-ofd");
  private static final String EXTENSION = ".yaml";

  private Recipes() {}

  /**
   * Returns the names of the recipes that ship with Retort.
   *
   * @return the names
   */
  public static List<String> names() {
    return NAMES;
  }

  /**
   * Loads a recipe.
   *
   * @param nameOrFile one of {@link #names}, or a file
   * @return the recipe
   * @throws RecipeException if there is no such recipe or file, it is invalid, or Retort's jar with
   *     the classifier {@code cli}, which contains the recipes that ship with Retort, is not on the
   *     class path
   */
  public static Recipe load(String nameOrFile) {
    return NAMES.contains(nameOrFile)
        ? RecipeReader.read(nameOrFile + EXTENSION, resource(nameOrFile + EXTENSION))
        : RecipeReader.read(nameOrFile, file(nameOrFile));
  }

  /**
   * Parses a recipe from its text, for example that of {@link Recipe#text} in another process.
   *
   * @param name its name in messages
   * @param text the text in YAML
   * @return the recipe
   * @throws RecipeException if it is invalid
   */
  public static Recipe parse(String name, String text) {
    return RecipeReader.read(name, text);
  }

  private static String resource(String name) {
    try (InputStream stream = ShippedFiles.open("recipes/" + name)) {
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException failure) {
      throw new RecipeException("Recipes.load: " + failure.getMessage(), failure);
    }
  }

  private static String file(String name) {
    Path file = Path.of(name);
    if (!Files.isRegularFile(file)) {
      throw new RecipeException(
          "recipe must be a file or one of " + String.join(", ", NAMES) + " (got " + name + ")");
    }
    try {
      return Files.readString(file);
    } catch (CharacterCodingException failure) {
      throw new RecipeException(name + ": recipe must be a text in UTF-8 (got bytes)", failure);
    } catch (IOException failure) {
      throw new RecipeException(
          "recipe must be a file that can be read (got " + name + ")", failure);
    }
  }
}
