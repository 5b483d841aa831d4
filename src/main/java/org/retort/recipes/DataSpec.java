package org.retort.recipes;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A short specification of data for runs without a recipe: {@code folder:photos}, {@code
 * csv:irises.csv}, {@code idx:folder} or {@code cifar:folder}.
 *
 * @param kind the key by which a recipe names such data
 * @param path where the data are
 * @param label the name of the class column, required by {@code csv} and absent from the others
 */
public record DataSpec(String kind, Path path, Optional<String> label) {
  private static final String CSV = "csv";
  private static final String FORMS = "folder:<path>, csv:<file>, idx:<folder> or cifar:<folder>";
  private static final List<String> KINDS = List.of("folder", CSV, "idx", "cifar");

  /**
   * Returns whether a text specifies data rather than just a folder.
   *
   * @param text the text as typed
   * @return whether it begins with letters and a colon
   */
  public static boolean isSpec(String text) {
    return text.matches("(?s)[a-z]+:.*");
  }

  /**
   * Parses a specification.
   *
   * @param text a kind, a colon and a path
   * @param label the name of the class column, if given
   * @return the data
   * @throws RecipeException if there is no such kind, no path, or a label is missing or not
   *     applicable
   */
  public static DataSpec parse(String text, @Nullable String label) {
    String kind = text.substring(0, Math.max(0, text.indexOf(':')));
    String path = text.substring(text.indexOf(':') + 1);
    if (!KINDS.contains(kind) || path.isBlank()) {
      throw new RecipeException(
          "data must be " + FORMS + " (got " + text + meant(text, kind) + ")");
    }
    if (kind.equals(CSV) && label == null) {
      throw new RecipeException("label must name the column of the classes (got none)");
    }
    if (!kind.equals(CSV) && label != null) {
      throw new RecipeException("label must be used with a table (got " + text + ")");
    }
    return new DataSpec(
        kind, Path.of(path).toAbsolutePath().normalize(), Optional.ofNullable(label));
  }

  /** Returns the end of a message that suggests what was meant, or nothing if that is unclear. */
  private static String meant(String text, String kind) {
    if (!kind.isEmpty()) {
      return KINDS.contains(kind) ? "" : Spelling.got(kind, KINDS).substring(kind.length());
    }
    Path path = Path.of(text);
    if (!Files.exists(path)) {
      return "";
    }
    return ", did you mean " + (Files.isDirectory(path) ? "folder:" : "csv:") + text + "?";
  }

  /**
   * Returns whether the data are rows of a table.
   *
   * @return whether they are in a CSV file
   */
  public boolean isTable() {
    return kind.equals(CSV);
  }

  /** Returns a name for files and options, made of lowercase letters, digits and hyphens. */
  String name() {
    String name =
        path.getFileName()
            .toString()
            .toLowerCase(Locale.ROOT)
            .replaceFirst("\\.[a-z0-9.]*$", "")
            .replaceAll("[^a-z0-9]+", "-")
            .replaceAll("^-+|-+$", "");
    return name.isEmpty() ? "data" : name;
  }
}
