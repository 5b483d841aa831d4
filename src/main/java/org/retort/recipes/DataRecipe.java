package org.retort.recipes;

import java.util.OptionalInt;
import org.retort.data.Augmentation;

/**
 * The data.
 *
 * @param name which data
 * @param augmentation how samples are normalised, and what is done to those for training at random
 * @param labelsPerClass how many samples of each class keep their labels for the student; all if
 *     empty
 */
public record DataRecipe(String name, Augmentation augmentation, OptionalInt labelsPerClass) {
  /** Leaves several steps per epoch, so that the learning rate can drop within one. */
  public static final int MAX_LABELS_PER_CLASS = 100;

  /** Reads the data. */
  static DataRecipe read(Fields fields) {
    DataRecipe data =
        new DataRecipe(
            fields.choice("name", DataFactory.names()),
            AugmentationRecipe.read(fields),
            fields.optionalWhole("labels_per_class", 1, MAX_LABELS_PER_CLASS));
    fields.finish();
    return data;
  }
}
