package org.retort.recipes;

import org.retort.data.Augmentation;

/** Reads what is done to samples for training at random. */
final class AugmentationRecipe {
  /** What pixels beyond an image's border are. */
  private enum Padding {
    ZERO,
    REFLECT
  }

  /** The most pixels that can be added. */
  private static final int MAX_CROP = 64;

  private AugmentationRecipe() {}

  /** Reads the key {@code augmentation}, none if it is not there. */
  static Augmentation read(Fields data) {
    return data.has("augmentation")
        ? readAugmentation(data.mapping("augmentation"))
        : Augmentation.none();
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
}
