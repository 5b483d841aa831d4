package org.retort.recipes;

import java.nio.file.Path;
import java.util.Optional;
import org.retort.models.Preprocessing;

/**
 * A teacher, and how it is trained unless it comes trained, as a program or with weights.
 *
 * @param name its name in terms
 * @param weight its weight in means of several teachers
 * @param network the network
 * @param normalization how its images are normalised, if not like the student's; without an input
 *     shape
 * @param epochs epochs of its training; 0 if it comes trained
 * @param batch samples per batch; 0 if it comes trained
 * @param seed the seed of its parameters and batches
 * @param optimizer the optimizer, if not the recipe's
 */
public record TeacherRecipe(
    String name,
    double weight,
    NetworkRecipe network,
    Optional<Preprocessing> normalization,
    int epochs,
    int batch,
    long seed,
    Optional<OptimizerRecipe> optimizer) {
  static final String ONLY = "teacher";

  /** Reads a teacher. */
  static TeacherRecipe read(Fields fields, String name, double weight) {
    NetworkRecipe network = NetworkRecipe.read(fields);
    Optional<Preprocessing> normalization =
        fields.has("normalization")
            ? Optional.of(NormalizationRecipe.read(fields))
            : Optional.empty();
    TeacherRecipe teacher =
        network.isTrained() && !fields.has("epochs")
            ? trained(name, weight, network, normalization)
            : untrained(fields, name, weight, network, normalization);
    fields.finish();
    return teacher;
  }

  private static TeacherRecipe trained(
      String name, double weight, NetworkRecipe network, Optional<Preprocessing> normalization) {
    return new TeacherRecipe(name, weight, network, normalization, 0, 0, 0, Optional.empty());
  }

  private static TeacherRecipe untrained(
      Fields fields,
      String name,
      double weight,
      NetworkRecipe network,
      Optional<Preprocessing> normalization) {
    int epochs = fields.whole("epochs", 1, StudentRecipe.MAX_EPOCHS);
    return new TeacherRecipe(
        name,
        weight,
        network,
        normalization,
        epochs,
        fields.whole("batch", 1, Integer.MAX_VALUE),
        fields.whole("seed", 0, Integer.MAX_VALUE, 0),
        fields.has("optimizer")
            ? Optional.of(OptimizerRecipe.read(fields.mapping("optimizer"), epochs))
            : Optional.empty());
  }

  /**
   * Returns a copy with a different network, which is trained in the same way if it is not yet
   * trained.
   */
  TeacherRecipe withNetwork(NetworkRecipe other) {
    if (!isTrainedHere() && !other.isTrained()) {
      throw new RecipeException(
          "%s must have epochs to train another network (got none for %s)"
              .formatted(run(), other.name()));
    }
    return other.isTrained()
        ? trained(name, weight, other, normalization)
        : new TeacherRecipe(name, weight, other, normalization, epochs, batch, seed, optimizer);
  }

  /** Returns a copy with different weights, which is no longer trained. */
  TeacherRecipe withWeights(Path file) {
    return withNetwork(network.withWeights(file));
  }

  /** Returns a copy with a different length. */
  TeacherRecipe withEpochs(int other) {
    return new TeacherRecipe(name, weight, network, normalization, other, batch, seed, optimizer);
  }

  /** Returns a copy with a different seed. */
  TeacherRecipe withSeed(long other) {
    return new TeacherRecipe(name, weight, network, normalization, epochs, batch, other, optimizer);
  }

  /**
   * Returns whether it has to be trained before it can teach.
   *
   * @return whether it does not come trained
   */
  public boolean isTrainedHere() {
    return epochs > 0;
  }

  /**
   * Returns the name of the run that trains it and of its files.
   *
   * @return {@code teacher} for a recipe's only teacher, otherwise {@code teacher-NAME}
   */
  public String run() {
    return name.equals(ONLY) ? ONLY : ONLY + "-" + name;
  }
}
