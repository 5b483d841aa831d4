package org.retort.recipes;

import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;
import org.retort.FileException;

/**
 * Your own data in files that the recipe names by one of the keys {@code folder}, {@code train},
 * {@code csv}, {@code idx} and {@code cifar}.
 *
 * @param path where the files are
 * @param place its name in messages: {@code <file>:<line>: <key>}
 * @param opener reads the files
 */
record FilesData(Path path, String place, Function<Path, DataParts> opener) implements DataSource {
  @Override
  public String name() {
    return path.getFileName().toString();
  }

  @Override
  public DataParts open(Optional<Path> folder) {
    if (folder.isPresent()) {
      throw new RecipeException(
          "folder must not be given for data that the recipe names, %s (got %s)"
              .formatted(path, folder.get()));
    }
    try {
      return opener.apply(path);
    } catch (RecipeException wrong) {
      throw wrong;
    } catch (IllegalArgumentException | FileException wrong) {
      throw RecipeException.at(place, wrong);
    }
  }
}
