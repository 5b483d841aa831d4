package org.retort.recipes;

import org.retort.data.Augmentation;

/** Reads how samples are normalised, and what is done to those for training at random. */
final class AugmentationRecipe {
  /** What pixels beyond an image's border are. */
  private enum Padding {
    ZERO,
    REFLECT
  }

  /** The most pixels that can be added. */
  private static final int MAX_CROP = 64;

  private AugmentationRecipe() {}

  /** Reads the keys {@code normalization} and {@code augmentation}, as far as they are there. */
  static Augmentation read(Fields data) {
    Augmentation.Builder augmentation = Augmentation.builder();
    if (data.has("augmentation")) {
      readAugmentation(data.mapping("augmentation"), augmentation);
    }
    if (data.has("normalization")) {
      readNormalization(data.mapping("normalization"), augmentation);
    }
    return augmentation.build();
  }

  private static void readAugmentation(Fields fields, Augmentation.Builder augmentation) {
    int crop = fields.whole("crop", 0, MAX_CROP, 0);
    if (fields.choice("padding", Padding.class, Padding.ZERO) == Padding.REFLECT) {
      augmentation.reflectedCrop(crop);
    } else {
      augmentation.crop(crop);
    }
    augmentation.flip(fields.flag("flip", false) ? 0.5 : 0);
    fields.finish();
  }

  private static void readNormalization(Fields fields, Augmentation.Builder augmentation) {
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
    augmentation.normalize(mean, deviation);
    fields.finish();
  }
}
