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
    Augmentation augmentation = Augmentation.none();
    if (data.has("augmentation")) {
      augmentation = readAugmentation(data.mapping("augmentation"));
    }
    if (data.has("normalization")) {
      augmentation = readNormalization(data.mapping("normalization"), augmentation);
    }
    return augmentation;
  }

  private static Augmentation readAugmentation(Fields fields) {
    int crop = fields.whole("crop", 0, MAX_CROP, 0);
    Padding padding = fields.choice("padding", Padding.class, Padding.ZERO);
    double flip = fields.flag("flip", false) ? 0.5 : 0;
    fields.finish();
    return (padding == Padding.REFLECT
            ? Augmentation.none().withReflectedCrop(crop)
            : Augmentation.none().withCrop(crop))
        .withFlip(flip);
  }

  private static Augmentation readNormalization(Fields fields, Augmentation augmentation) {
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
    return augmentation.withNormalization(mean, deviation);
  }
}
