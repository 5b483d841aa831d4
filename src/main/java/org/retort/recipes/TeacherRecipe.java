package org.retort.recipes;

import java.util.Optional;
import org.retort.models.Networks;

/**
 * A teacher, and how it is trained.
 *
 * @param name what terms call it
 * @param weight its part in means of several teachers
 * @param network the network's name
 * @param epochs of its training
 * @param batch samples per batch
 * @param seed of its parameters and batches
 * @param optimizer another than the recipe's
 */
public record TeacherRecipe(
    String name,
    double weight,
    String network,
    int epochs,
    int batch,
    long seed,
    Optional<OptimizerRecipe> optimizer) {
  static final String ONLY = "teacher";

  /** Reads a teacher. */
  static TeacherRecipe read(Fields fields, String name, double weight) {
    int epochs = fields.whole("epochs", 1, StudentRecipe.MAX_EPOCHS);
    TeacherRecipe teacher =
        new TeacherRecipe(
            name,
            weight,
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

  /** Returns a copy with another network, length and seed. */
  TeacherRecipe with(String otherNetwork, int otherEpochs, long otherSeed) {
    return new TeacherRecipe(name, weight, otherNetwork, otherEpochs, batch, otherSeed, optimizer);
  }

  /**
   * Names the run that trains it, and the files of it.
   *
   * @return {@code teacher} for the only one of a recipe, otherwise {@code teacher-NAME}
   */
  public String run() {
    return name.equals(ONLY) ? ONLY : ONLY + "-" + name;
  }
}
