package org.retort.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.retort.recipes.Recipe;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * The choice of teacher: {@code NAME}, {@code FILE.pt}, {@code NAME=FILE.pt}, or the file of a
 * program.
 *
 * @param network its name or file, if not the recipe's teacher
 * @param file its state dict, if it is not to be trained
 */
record TeacherOption(Optional<String> network, Optional<Path> file) {
  /** The recipe's own teacher. */
  static final TeacherOption OF_RECIPE = new TeacherOption(Optional.empty(), Optional.empty());

  private static final String EXTENSION = ".pt";

  /** Returns a recipe with this teacher. */
  Recipe of(Recipe recipe) {
    if (network.isEmpty()) {
      return file.map(recipe::withTeacherWeights).orElse(recipe);
    }
    return file.map(weights -> recipe.withTeacher(network.get(), weights))
        .orElseGet(() -> recipe.withTeacher(network.get()));
  }

  /** Reads the option. */
  static final class Converter implements ITypeConverter<TeacherOption> {
    @Override
    public TeacherOption convert(String value) {
      if (!value.endsWith(EXTENSION)) {
        return new TeacherOption(Optional.of(value), Optional.empty());
      }
      int sign = value.indexOf('=');
      Path file = Path.of(value.substring(sign + 1));
      requireFile(file);
      return new TeacherOption(
          sign < 0 ? Optional.empty() : Optional.of(value.substring(0, sign)), Optional.of(file));
    }

    private static void requireFile(Path file) {
      if (!Files.isRegularFile(file)) {
        throw new TypeConversionException("must be an existing file (got " + file + ")");
      }
    }
  }
}
