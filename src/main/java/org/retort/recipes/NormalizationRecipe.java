package org.retort.recipes;

import java.util.List;
import org.retort.models.Preprocessing;

/**
 * Reads how samples are normalised: {@code mean} and {@code deviation}, or {@code imagenet} for the
 * constants that torchvision's networks are trained with.
 */
final class NormalizationRecipe {
  private static final String KEY = "normalization";
  private static final String IMAGENET = "imagenet";
  private static final double[] IMAGENET_MEAN = {0.485, 0.456, 0.406};
  private static final double[] IMAGENET_DEVIATION = {0.229, 0.224, 0.225};

  private NormalizationRecipe() {}

  /** Reads the key {@code normalization}; without it, samples are left as they are. */
  static Preprocessing read(Fields parent) {
    if (!parent.has(KEY)) {
      return Preprocessing.of();
    }
    if (!parent.isMapping(KEY)) {
      parent.choice(KEY, List.of(IMAGENET));
      return Preprocessing.of().withNormalization(IMAGENET_MEAN, IMAGENET_DEVIATION);
    }
    Fields fields = parent.mapping(KEY);
    double[] mean = fields.numbers("mean");
    double[] deviation = fields.numbers("deviation");
    for (double value : deviation) {
      if (value <= 0) {
        throw fields.wrong("deviation", "be positive", value);
      }
    }
    if (mean.length != deviation.length) {
      throw fields.wrong("deviation", "have the same length as mean", deviation.length);
    }
    fields.finish();
    return Preprocessing.of().withNormalization(mean, deviation);
  }
}
