package org.retort.recipes;

import java.util.Optional;
import java.util.OptionalInt;

/**
 * The data.
 *
 * @param name which data
 * @param normalization of the channels
 * @param augmentation what is done to training samples at random
 * @param labelsPerClass how many samples of each class keep their labels for the student; all if
 *     empty
 */
public record DataRecipe(
    String name,
    Optional<Normalization> normalization,
    AugmentationRecipe augmentation,
    OptionalInt labelsPerClass) {
  /** Leaves several steps an epoch, so that the learning rate can drop within one. */
  public static final int MAX_LABELS_PER_CLASS = 100;

  /** {@code (value − mean) / deviation}, of values from 0 to 1, for each channel or for all. */
  record Normalization(double[] mean, double[] deviation) {
    static Normalization read(Fields fields) {
      Normalization read = new Normalization(fields.numbers("mean"), fields.numbers("deviation"));
      for (double deviation : read.deviation) {
        if (deviation <= 0) {
          throw fields.wrong("deviation", "be positive", deviation);
        }
      }
      if (read.mean.length != read.deviation.length) {
        throw fields.wrong("deviation", "be as many as mean", read.deviation.length);
      }
      fields.finish();
      return read;
    }
  }

  /** Reads the data. */
  static DataRecipe read(Fields fields) {
    DataRecipe data =
        new DataRecipe(
            fields.choice("name", DataFactory.names()),
            fields.has("normalization")
                ? Optional.of(Normalization.read(fields.mapping("normalization")))
                : Optional.empty(),
            AugmentationRecipe.read(fields),
            fields.optionalWhole("labels_per_class", 1, MAX_LABELS_PER_CLASS));
    fields.finish();
    return data;
  }
}
