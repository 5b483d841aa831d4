package org.retort.recipes;

import java.nio.file.Path;
import java.util.Optional;

/** Where data are, and how they become the parts of an experiment. */
interface DataSource {
  /** Returns what reports call the data. */
  String name();

  /**
   * Reads the data.
   *
   * @param folder where the data are, if the recipe does not say
   * @throws RecipeException if they can't be read, or a folder is given needlessly or is missing
   */
  DataParts open(Optional<Path> folder);

  /** Returns noise in the shape of the data. */
  default DataParts noise() {
    return open(Optional.empty()).noise();
  }
}
