package org.retort.recipes;

import java.nio.file.Path;
import org.retort.losses.ProgramLoss;

/** {@code file}, an exported program or a TorchScript module, relative to the recipe's folder. */
final class ProgramRecipe {
  private ProgramRecipe() {}

  static LossRecipe read(Fields fields) {
    Path file = fields.path("file");
    return context -> ProgramLoss.load(file);
  }
}
