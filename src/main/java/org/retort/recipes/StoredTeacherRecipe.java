package org.retort.recipes;

import java.nio.file.Path;
import org.retort.FileException;
import org.retort.train.StoredOutputs;

/**
 * A teacher whose outputs for the student's training samples are stored, so that it is neither
 * trained nor present.
 *
 * @param name its name in terms
 * @param weight its weight in means of several teachers
 * @param file the outputs
 * @param place the file's name in messages: {@code <file>:<line>: outputs}
 */
public record StoredTeacherRecipe(String name, double weight, Path file, String place) {
  /** Reads {@code outputs}, a file relative to the recipe's folder. */
  static StoredTeacherRecipe read(Fields fields, String name, double weight) {
    StoredTeacherRecipe teacher =
        new StoredTeacherRecipe(name, weight, fields.path("outputs"), fields.place() + "outputs");
    fields.finish();
    return teacher;
  }

  /** Opens the outputs for a number of samples. */
  StoredOutputs open(int samples) {
    StoredOutputs outputs;
    try {
      outputs = StoredOutputs.open(file);
    } catch (FileException wrong) {
      throw RecipeException.at(place, wrong);
    }
    long stored = outputs.format().samples();
    if (stored != samples) {
      outputs.close();
      throw new RecipeException(
          "%s must be of %s training samples (got %s)".formatted(place, samples, stored));
    }
    return outputs;
  }
}
