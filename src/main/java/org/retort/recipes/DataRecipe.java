package org.retort.recipes;

import java.util.OptionalInt;
import org.retort.data.Augmentation;
import org.retort.models.Preprocessing;

/**
 * The data.
 *
 * @param source where the data are
 * @param preprocessing how samples are normalised, which networks store; without an input shape
 * @param augmentation the random changes to training samples
 * @param labelsPerClass how many samples of each class keep their labels for the student; all if
 *     empty
 */
public record DataRecipe(
    DataSource source,
    Preprocessing preprocessing,
    Augmentation augmentation,
    OptionalInt labelsPerClass) {
  /** The maximum leaves several steps per epoch, so that the learning rate can drop within one. */
  public static final int MAX_LABELS_PER_CLASS = 100;

  /** Reads the data. */
  static DataRecipe read(Fields fields) {
    Preprocessing normalization = NormalizationRecipe.read(fields);
    Augmentation augmentation = withMeanCutOut(AugmentationRecipe.read(fields), normalization);
    DataRecipe data =
        new DataRecipe(
            DataSources.read(fields, augmentation),
            normalization,
            augmentation,
            fields.optionalWhole("labels_per_class", 1, MAX_LABELS_PER_CLASS));
    fields.finish();
    return data;
  }

  /** Returns a copy with a different number of labels. */
  DataRecipe withLabelsPerClass(int labels) {
    return new DataRecipe(source, preprocessing, augmentation, OptionalInt.of(labels));
  }

  /**
   * Returns the name of the data.
   *
   * @return what reports call them
   */
  public String name() {
    return source.name();
  }

  /** Fills cut-out pixels with the mean, which becomes 0 once the network has normalised it. */
  private static Augmentation withMeanCutOut(
      Augmentation augmentation, Preprocessing normalization) {
    double[] mean = normalization.mean().stream().mapToDouble(Double::doubleValue).toArray();
    return augmentation
        .cutout()
        .map(cutout -> augmentation.withCutout(cutout.side(), mean))
        .orElse(augmentation);
  }
}
