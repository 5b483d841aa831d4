package org.retort.recipes;

import java.util.Optional;
import org.retort.models.Networks;

/**
 * The teacher, and how it is trained.
 *
 * @param network its name
 * @param epochs of its training
 * @param batch samples per batch
 * @param seed of its parameters and batches
 * @param optimizer another than the recipe's
 */
public record TeacherRecipe(
    String network, int epochs, int batch, long seed, Optional<OptimizerRecipe> optimizer) {
  /** Reads a teacher. */
  static TeacherRecipe read(Fields fields) {
    int epochs = fields.whole("epochs", 1, StudentRecipe.MAX_EPOCHS);
    TeacherRecipe teacher =
        new TeacherRecipe(
            fields.choice("network", Networks.names()),
            epochs,
            fields.whole("batch", 1, Integer.MAX_VALUE),
            fields.whole("seed", 0, Integer.MAX_VALUE, 0),
            fields.has("optimizer")
                ? Optional.of(OptimizerRecipe.read(fields.mapping("optimizer"), epochs))
                : Optional.empty());
    fields.finish();
    return teacher;
  }
}
