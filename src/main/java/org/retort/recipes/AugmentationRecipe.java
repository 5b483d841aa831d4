package org.retort.recipes;

/**
 * What is done to training samples at random.
 *
 * @param crop pixels that are added on every side before the old size is cut out at random; 0 for
 *     none
 * @param padding what the added pixels are
 * @param flip whether half of the samples are mirrored
 */
record AugmentationRecipe(int crop, Padding padding, boolean flip) {
  /** What pixels beyond an image's border are. */
  enum Padding {
    ZERO,
    REFLECT
  }

  /** The most pixels that can be added. */
  private static final int MAX_CROP = 64;

  /** Reads the key {@code augmentation}, nothing if it is not there. */
  static AugmentationRecipe read(Fields parent) {
    if (!parent.has("augmentation")) {
      return new AugmentationRecipe(0, Padding.ZERO, false);
    }
    Fields fields = parent.mapping("augmentation");
    AugmentationRecipe augmentation =
        new AugmentationRecipe(
            fields.whole("crop", 0, MAX_CROP, 0),
            fields.choice("padding", Padding.class, Padding.ZERO),
            fields.flag("flip", false));
    fields.finish();
    return augmentation;
  }
}
