package org.retort.recipes;

import org.retort.data.Augmentation;
import org.retort.data.Augmentation.ColorJitter;

/** Reads the random changes to training samples. */
final class AugmentationRecipe {
  /** The values of pixels beyond an image's border. */
  private enum Padding {
    ZERO,
    REFLECT
  }

  /** The maximum number of pixels that can be added. */
  private static final int MAX_CROP = 64;

  /** The largest side of a square that can be cut out. */
  private static final int MAX_CUTOUT = 4096;

  /** The ranges of a resized crop's area and aspect ratio: those of standard ImageNet training. */
  private static final double[] SCALE = {0.08, 1};

  private static final double[] RATIO = {3.0 / 4.0, 4.0 / 3.0};

  private AugmentationRecipe() {}

  /** Reads the key {@code augmentation}; none if it is absent. */
  static Augmentation read(Fields data) {
    return data.has("augmentation")
        ? readAugmentation(data.mapping("augmentation"))
        : Augmentation.none();
  }

  private static Augmentation readAugmentation(Fields fields) {
    int crop = fields.whole("crop", 0, MAX_CROP, 0);
    Padding padding = fields.choice("padding", Padding.class, Padding.ZERO);
    double flip = fields.flag("flip", false) ? 0.5 : 0;
    Augmentation moved =
        padding == Padding.REFLECT
            ? Augmentation.none().withReflectedCrop(crop)
            : Augmentation.none().withCrop(crop);
    Augmentation cropped = readResizedCrop(fields, moved).withFlip(flip);
    Augmentation jittered =
        fields.has("color_jitter")
            ? readColorJitter(fields.mapping("color_jitter"), cropped)
            : cropped;
    int cutout = fields.whole("cutout", 0, MAX_CUTOUT, 0);
    fields.finish();
    return jittered.withCutout(cutout);
  }

  private static Augmentation readResizedCrop(Fields fields, Augmentation augmentation) {
    String key = "random_resized_crop";
    boolean isMapping = fields.isMapping(key);
    if (!isMapping && !fields.flag(key, false)) {
      return augmentation;
    }
    if (augmentation.padding() > 0) {
      throw fields.wrong(key, "be used without crop", "crop: " + augmentation.padding());
    }
    if (!isMapping) {
      return augmentation.withRandomResizedCrop(SCALE[0], SCALE[1]);
    }
    Fields ranges = fields.mapping(key);
    double[] scale = range(ranges, "scale", SCALE);
    double[] ratio = range(ranges, "ratio", RATIO);
    ranges.finish();
    ranges.checked("scale", () -> augmentation.withRandomResizedCrop(scale[0], scale[1]));
    return ranges.checked(
        "ratio", () -> augmentation.withRandomResizedCrop(scale[0], scale[1], ratio[0], ratio[1]));
  }

  private static double[] range(Fields fields, String key, double[] otherwise) {
    double[] range = fields.has(key) ? fields.numbers(key) : otherwise;
    if (range.length != 2) {
      throw fields.wrong(key, "be two numbers", range.length);
    }
    return range;
  }

  private static Augmentation readColorJitter(Fields fields, Augmentation augmentation) {
    ColorJitter jitter = new ColorJitter(0, 0, 0, 0);
    jitter =
        fields.number(
            "brightness",
            jitter,
            (old, number) -> new ColorJitter(number, old.contrast(), old.saturation(), old.hue()));
    jitter =
        fields.number(
            "contrast",
            jitter,
            (old, number) ->
                new ColorJitter(old.brightness(), number, old.saturation(), old.hue()));
    jitter =
        fields.number(
            "saturation",
            jitter,
            (old, number) -> new ColorJitter(old.brightness(), old.contrast(), number, old.hue()));
    jitter =
        fields.number(
            "hue",
            jitter,
            (old, number) ->
                new ColorJitter(old.brightness(), old.contrast(), old.saturation(), number));
    fields.finish();
    return augmentation.withColorJitter(
        jitter.brightness(), jitter.contrast(), jitter.saturation(), jitter.hue());
  }
}
