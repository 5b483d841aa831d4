package org.retort.data;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.retort.internal.Arguments;

/**
 * The changes made to images before a network sees them, in this order:
 *
 * <ol>
 *   <li>crop: either a random part is resized, or the image is moved
 *   <li>random horizontal flip
 *   <li>random change of colours
 *   <li>normalisation
 *   <li>cutout: a square at a random position is overwritten.
 * </ol>
 *
 * <p>How an image is augmented depends on the augmentation, the seed of the batches, how often the
 * image has come up and its index, but not on its batch, threads or ranks. The random draws for one
 * change do not depend on the others. For CIFAR-10:
 *
 * <pre>{@code
 * Augmentation augmentation =
 *     Augmentation.none()
 *         .withCrop(4)
 *         .withFlip(0.5)
 *         .withNormalization(
 *             new double[] {0.4914, 0.4822, 0.4465}, new double[] {0.247, 0.2435, 0.2616});
 * }</pre>
 *
 * <p>For photos stored at 256 × 256 pixels and a network that takes 224 × 224:
 *
 * <pre>{@code
 * Augmentation training =
 *     Augmentation.none()
 *         .withRandomResizedCrop(0.08, 1)
 *         .withOutputSize(224, 224)
 *         .withFlip(0.5)
 *         .withColorJitter(0.4, 0.4, 0.4, 0.1);
 * Augmentation evaluation = training.withoutDraws(); // the 224 × 224 pixels in the middle
 * }</pre>
 *
 * <p>The changes are computed in native code. Those of colour and size match torchvision's: its
 * transforms v2 on float tensors give the same values for the same draws.
 *
 * @param padding the maximum number of pixels by which an image is moved to each side; 0 leaves it
 *     in place
 * @param reflected whether the area that an image leaves when it is moved is filled with its mirror
 *     image instead of zeros
 * @param resizedCrop the part of the image that is resized; empty if none
 * @param outputSize rows and columns of the result; empty to keep those of the image
 * @param flipProbability the probability of a horizontal flip
 * @param colorJitter how much the colours change; empty if they do not
 * @param mean the values subtracted, one for each channel or one for all; empty if images are not
 *     normalised. Immutable.
 * @param deviation the divisors of the difference, as many as in {@code mean}. Immutable.
 * @param cutout the square that is overwritten; empty if none is
 */
public record Augmentation(
    int padding,
    boolean reflected,
    Optional<ResizedCrop> resizedCrop,
    Optional<Size> outputSize,
    double flipProbability,
    Optional<ColorJitter> colorJitter,
    List<Double> mean,
    List<Double> deviation,
    Optional<Cutout> cutout) {
  private static final String NAME = "Augmentation";
  private static final Augmentation NONE =
      new Augmentation(
          0,
          false,
          Optional.empty(),
          Optional.empty(),
          0,
          Optional.empty(),
          List.of(),
          List.of(),
          Optional.empty());

  /** No image that fits into memory is larger. */
  private static final int MOST_PIXELS = 1 << 20;

  private static final double MIN_RATIO = 3.0 / 4.0;
  private static final double MAX_RATIO = 4.0 / 3.0;

  /**
   * A random part of an image that is resized (Szegedy et al., Going Deeper with Convolutions, CVPR
   * 2015). Its area and the logarithm of its aspect ratio, width / height, are drawn uniformly, up
   * to ten times, until a part of that shape fits into the image; its position is then random. If
   * none fits, it is the largest central part whose aspect ratio is in the range. The same as
   * torchvision's {@code RandomResizedCrop}.
   *
   * @param minScale the smallest area, as a share of the image's
   * @param maxScale the largest area
   * @param minRatio the smallest aspect ratio
   * @param maxRatio the largest aspect ratio
   */
  public record ResizedCrop(double minScale, double maxScale, double minRatio, double maxRatio) {
    /**
     * Checks the ranges.
     *
     * @param minScale above 0
     * @param maxScale from minScale to 1
     * @param minRatio above 0
     * @param maxRatio at least minRatio, finite
     * @throws IllegalArgumentException if a number is out of range
     */
    public ResizedCrop {
      Arguments.check(
          minScale > 0 && minScale <= maxScale && maxScale <= 1,
          "Augmentation.ResizedCrop: scale must be a range above 0 and up to 1 (got %s to %s)",
          minScale,
          maxScale);
      Arguments.check(
          minRatio > 0 && minRatio <= maxRatio && Double.isFinite(maxRatio),
          "Augmentation.ResizedCrop: ratio must be a range of positive, finite numbers"
              + " (got %s to %s)",
          minRatio,
          maxRatio);
    }
  }

  /**
   * The size of a result.
   *
   * @param height rows
   * @param width columns
   */
  public record Size(int height, int width) {
    /**
     * Checks the size.
     *
     * @param height from 1 to 1,048,576
     * @param width from 1 to 1,048,576
     * @throws IllegalArgumentException if a number is out of range
     */
    public Size {
      Arguments.between(height, 1, MOST_PIXELS, "Augmentation.Size", "height");
      Arguments.between(width, 1, MOST_PIXELS, "Augmentation.Size", "width");
    }
  }

  /**
   * Random changes to an image's colours, in random order, by the formulas of torchvision's {@code
   * ColorJitter}. For values v from 0 to 1, with factors f drawn uniformly for each image and grey
   * = 0.2989 red + 0.587 green + 0.114 blue, they compute the following, clamped to 0 and 1:
   *
   * <ul>
   *   <li>brightness: f v
   *   <li>contrast: f v + (1 − f) (mean of the image's grey)
   *   <li>saturation: f v + (1 − f) (grey of the pixel)
   *   <li>hue: the hue of HSV, a circle of length 1, is shifted by f.
   * </ul>
   *
   * <p>Images of one channel are grey: their saturation and hue do not change.
   *
   * @param brightness f is from max(0, 1 − brightness) to 1 + brightness
   * @param contrast f is from max(0, 1 − contrast) to 1 + contrast
   * @param saturation f is from max(0, 1 − saturation) to 1 + saturation
   * @param hue f is from −hue to hue
   */
  public record ColorJitter(double brightness, double contrast, double saturation, double hue) {
    /**
     * Checks the numbers.
     *
     * @param brightness at least 0, finite
     * @param contrast at least 0, finite
     * @param saturation at least 0, finite
     * @param hue from 0 to 0.5
     * @throws IllegalArgumentException if a number is out of range
     */
    public ColorJitter {
      String function = "Augmentation.ColorJitter";
      Arguments.notNegative(brightness, function, "brightness");
      Arguments.notNegative(contrast, function, "contrast");
      Arguments.notNegative(saturation, function, "saturation");
      Arguments.check(
          hue >= 0 && hue <= 0.5, "%s: hue must be between 0 and 0.5 (got %s)", function, hue);
    }
  }

  /**
   * A square that is overwritten (DeVries, Taylor: Improved Regularization of Convolutional Neural
   * Networks with Cutout, 2017, arXiv 1708.04552). Its centre may be anywhere in the result; the
   * part beyond the border is cut off. An odd side is used in full, whereas the authors' code uses
   * one less.
   *
   * @param side rows and columns
   * @param value the fill value, one for each channel or one for all; empty for 0. Immutable. It is
   *     not normalised afterwards: as in the authors' code, 0 stands for the mean. If the training
   *     step normalises, its mean has the same effect.
   */
  public record Cutout(int side, List<Double> value) {
    /**
     * Checks the values.
     *
     * @param side from 1 to 1,048,576
     * @param value finite
     * @throws IllegalArgumentException if a number is out of range, or the list null
     */
    public Cutout {
      Arguments.between(side, 1, MOST_PIXELS, "Augmentation.Cutout", "side");
      value = Arguments.list(value, "Augmentation.Cutout", "value");
      for (double number : value) {
        Arguments.check(
            Double.isFinite(number), "Augmentation.Cutout: value must be finite (got %s)", number);
      }
    }
  }

  /**
   * Checks the values.
   *
   * @param padding from 0 to 1,048,576; 0 with a resized crop
   * @param reflected as above
   * @param resizedCrop as above
   * @param outputSize as above
   * @param flipProbability from 0 to 1
   * @param colorJitter as above
   * @param mean finite
   * @param deviation positive and finite
   * @param cutout as above
   * @throws IllegalArgumentException if one is null or out of range, or the lists differ in length
   */
  public Augmentation {
    Arguments.between(padding, 0, MOST_PIXELS, NAME, "padding");
    Arguments.notNull(resizedCrop, NAME, "resizedCrop");
    Arguments.notNull(outputSize, NAME, "outputSize");
    Arguments.check(
        padding == 0 || resizedCrop.isEmpty(),
        "Augmentation: padding must be 0 beside a resized crop (got %s)",
        padding);
    Arguments.check(
        flipProbability >= 0 && flipProbability <= 1,
        "Augmentation: flipProbability must be between 0 and 1 (got %s)",
        flipProbability);
    Arguments.notNull(colorJitter, NAME, "colorJitter");
    mean = Arguments.list(mean, NAME, "mean");
    deviation = Arguments.list(deviation, NAME, "deviation");
    Arguments.normalization(mean, deviation, NAME);
    Arguments.notNull(cutout, NAME, "cutout");
  }

  /**
   * Returns the augmentation that changes nothing.
   *
   * @return the augmentation
   */
  public static Augmentation none() {
    return NONE;
  }

  /**
   * Returns an augmentation that only moves images and fills with zeros; the one of the main job.
   *
   * @param pixels the maximum number of pixels, up and down and to each side, from 0 to 1,048,576
   * @return the augmentation
   * @throws IllegalArgumentException if the number is out of range
   */
  public static Augmentation shift(int pixels) {
    return NONE.withShift(pixels);
  }

  /**
   * Moves each image by a random number of pixels vertically and horizontally, and fills with
   * zeros; the same as {@link #withCrop} with that padding.
   *
   * @param pixels the maximum number of pixels, from 0 to 1,048,576
   * @return a copy of this augmentation with that change
   * @throws IllegalArgumentException if the number is out of range, or above 0 with a resized crop
   */
  public Augmentation withShift(int pixels) {
    return withCrop(pixels);
  }

  /**
   * Pads each image with zeros and crops it to its own size at a random position. With a smaller
   * {@linkplain #withOutputSize output size}, the central part is moved by up to as many pixels;
   * half the difference of the sizes allows any position in the image.
   *
   * @param padding zeros on each side, from 0 to 1,048,576; 4 for CIFAR
   * @return a copy of this augmentation with that change
   * @throws IllegalArgumentException if the number is out of range, or above 0 with a resized crop
   */
  public Augmentation withCrop(int padding) {
    return withMove(padding, false);
  }

  /**
   * Pads each image with its mirror image and crops it to its own size at a random position; the
   * rows and columns at the border are not repeated.
   *
   * @param padding pixels on each side, from 0 to 1,048,576 and less than rows and columns
   * @return a copy of this augmentation with that change
   * @throws IllegalArgumentException if the number is out of range, or above 0 with a resized crop
   */
  public Augmentation withReflectedCrop(int padding) {
    return withMove(padding, true);
  }

  private Augmentation withMove(int padding, boolean reflected) {
    return new Augmentation(
        padding,
        reflected,
        resizedCrop,
        outputSize,
        flipProbability,
        colorJitter,
        mean,
        deviation,
        cutout);
  }

  /**
   * Resizes a random part of each image, with an aspect ratio from 3/4 to 4/3, to the {@linkplain
   * #withOutputSize output size}.
   *
   * @param minScale the smallest area, as a share of the image's, above 0; 0.08 for ImageNet
   * @param maxScale the largest area, from minScale to 1
   * @return a copy of this augmentation with that change
   * @throws IllegalArgumentException if a number is out of range, or images are also moved
   */
  public Augmentation withRandomResizedCrop(double minScale, double maxScale) {
    return withRandomResizedCrop(minScale, maxScale, MIN_RATIO, MAX_RATIO);
  }

  /**
   * Resizes a random part of each image to the {@linkplain #withOutputSize output size}:
   * bilinearly, with antialiasing where it shrinks.
   *
   * @param minScale the smallest area, as a share of the image's, above 0; 0.08 for ImageNet
   * @param maxScale the largest area, from minScale to 1
   * @param minRatio the smallest aspect ratio, width / height, above 0
   * @param maxRatio the largest aspect ratio, at least minRatio, finite
   * @return a copy of this augmentation with that change
   * @throws IllegalArgumentException if a number is out of range, or images are also moved
   */
  public Augmentation withRandomResizedCrop(
      double minScale, double maxScale, double minRatio, double maxRatio) {
    return new Augmentation(
        padding,
        reflected,
        Optional.of(new ResizedCrop(minScale, maxScale, minRatio, maxRatio)),
        outputSize,
        flipProbability,
        colorJitter,
        mean,
        deviation,
        cutout);
  }

  /**
   * Sets the size of the results: a resized crop is resized to it; otherwise the central part of an
   * image is taken, which must not be smaller.
   *
   * @param height rows, from 1 to 1,048,576
   * @param width columns, from 1 to 1,048,576
   * @return a copy of this augmentation with that change
   * @throws IllegalArgumentException if a number is out of range
   */
  public Augmentation withOutputSize(int height, int width) {
    return new Augmentation(
        padding,
        reflected,
        resizedCrop,
        Optional.of(new Size(height, width)),
        flipProbability,
        colorJitter,
        mean,
        deviation,
        cutout);
  }

  /**
   * Flips some images horizontally at random.
   *
   * @param probability from 0 to 1
   * @return a copy of this augmentation with that change
   * @throws IllegalArgumentException if the probability is out of range
   */
  public Augmentation withFlip(double probability) {
    return new Augmentation(
        padding,
        reflected,
        resizedCrop,
        outputSize,
        probability,
        colorJitter,
        mean,
        deviation,
        cutout);
  }

  /**
   * Changes the colours of each image at random, see {@link ColorJitter}. Images must have three
   * channels, red, green and blue, or one.
   *
   * @param brightness at least 0, finite
   * @param contrast at least 0, finite
   * @param saturation at least 0, finite
   * @param hue from 0 to 0.5
   * @return a copy of this augmentation with that change; with four zeros, one that leaves colours
   *     unchanged
   * @throws IllegalArgumentException if a number is out of range
   */
  public Augmentation withColorJitter(
      double brightness, double contrast, double saturation, double hue) {
    ColorJitter jitter = new ColorJitter(brightness, contrast, saturation, hue);
    boolean changes = brightness > 0 || contrast > 0 || saturation > 0 || hue > 0;
    return new Augmentation(
        padding,
        reflected,
        resizedCrop,
        outputSize,
        flipProbability,
        changes ? Optional.of(jitter) : Optional.empty(),
        mean,
        deviation,
        cutout);
  }

  /**
   * Normalises channel c to (value − mean[c]) / deviation[c]. Normalise either here or in the
   * training step, not both.
   *
   * @param mean finite, one for each channel or one for all; none to leave the values as they are
   * @param deviation the same number of values, positive and finite
   * @return a copy of this augmentation with that change
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public Augmentation withNormalization(double[] mean, double[] deviation) {
    String function = NAME + ".withNormalization";
    Arguments.notNull(mean, function, "mean");
    Arguments.notNull(deviation, function, "deviation");
    return new Augmentation(
        padding,
        reflected,
        resizedCrop,
        outputSize,
        flipProbability,
        colorJitter,
        list(mean),
        list(deviation),
        cutout);
  }

  /**
   * Overwrites a square of each image at a random position, see {@link Cutout}.
   *
   * @param side rows and columns, from 0, for none, to 1,048,576; 16 for CIFAR-10, 8 for CIFAR-100
   * @param value the fill value, finite, one for each channel or one for all; none for 0, the mean
   *     of images that are normalised here. If the training step normalises, use its mean.
   * @return a copy of this augmentation with that change
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public Augmentation withCutout(int side, double... value) {
    Arguments.notNull(value, NAME + ".withCutout", "value");
    return new Augmentation(
        padding,
        reflected,
        resizedCrop,
        outputSize,
        flipProbability,
        colorJitter,
        mean,
        deviation,
        side == 0 ? Optional.empty() : Optional.of(new Cutout(side, list(value))));
  }

  private static List<Double> list(double[] values) {
    return Arrays.stream(values).boxed().toList();
  }

  /**
   * Keeps only normalisation and output size, as evaluation requires.
   *
   * @return an augmentation without random changes
   */
  public Augmentation withoutDraws() {
    return new Augmentation(
        0,
        false,
        Optional.empty(),
        outputSize,
        0,
        Optional.empty(),
        mean,
        deviation,
        Optional.empty());
  }

  /**
   * Returns the shape of the results.
   *
   * @param images the shape of the images
   * @return their channels, and the output size if there is one
   * @throws IllegalArgumentException if it is null, or a result needs more than 2 GiB
   */
  public ImageShape outputShape(ImageShape images) {
    Arguments.notNull(images, NAME + ".outputShape", "images");
    return outputSize
        .map(size -> new ImageShape(images.channels(), size.height(), size.width()))
        .orElse(images);
  }

  /** Requires that images of this shape can be augmented; {@code function} is the caller's name. */
  void check(String function, ImageShape shape) {
    int smaller = Math.min(shape.height(), shape.width());
    Arguments.check(
        !reflected || padding < smaller,
        "%s: padding must be less than the images' rows and columns to be reflected"
            + " (got %d for %d)",
        function,
        padding,
        smaller);
    Size size = outputSize.orElse(new Size(1, 1));
    Arguments.check(
        resizedCrop.isPresent() || size.height() <= shape.height() && size.width() <= shape.width(),
        "%s: output size must be at most the images' %d × %d without a resized crop"
            + " (got %d × %d)",
        function,
        shape.height(),
        shape.width(),
        size.height(),
        size.width());
    Arguments.check(
        colorJitter.isEmpty() || shape.channels() == 1 || shape.channels() == 3,
        "%s: images must have 1 or 3 channels for their colours to be changed (got %d)",
        function,
        shape.channels());
    checkChannels(function, "mean", mean, shape);
    checkChannels(function, "cutout", cutout.map(Cutout::value).orElse(List.of()), shape);
  }

  private static void checkChannels(
      String function, String name, List<Double> values, ImageShape shape) {
    Arguments.check(
        values.size() <= 1 || values.size() == shape.channels(),
        "%s: %s must be one for each of %d channels, or one (got %d)",
        function,
        name,
        shape.channels(),
        values.size());
  }

  /**
   * Adds everything that decides how an image is augmented; later options only if they are used.
   */
  void addTo(Fingerprint fingerprint) {
    fingerprint.add(padding).add(reflected).add(flipProbability).add(mean.size());
    mean.forEach(fingerprint::add);
    deviation.forEach(fingerprint::add);
    resizedCrop.ifPresent(
        crop ->
            fingerprint
                .add("resizedCrop")
                .add(crop.minScale())
                .add(crop.maxScale())
                .add(crop.minRatio())
                .add(crop.maxRatio()));
    outputSize.ifPresent(
        size -> fingerprint.add("outputSize").add(size.height()).add(size.width()));
    colorJitter.ifPresent(
        jitter ->
            fingerprint
                .add("colorJitter")
                .add(jitter.brightness())
                .add(jitter.contrast())
                .add(jitter.saturation())
                .add(jitter.hue()));
    cutout.ifPresent(
        square -> {
          fingerprint.add("cutout").add(square.side()).add(square.value().size());
          square.value().forEach(fingerprint::add);
        });
  }
}
