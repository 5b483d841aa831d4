package org.retort.data;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.retort.internal.Arguments;

/**
 * How images are changed before a network sees them, in this order:
 *
 * <ol>
 *   <li>cropped: either a random part is resized, or the image is moved
 *   <li>mirrored at random
 *   <li>changed in colour at random
 *   <li>normalised
 *   <li>cut out: a square at a random place is overwritten.
 * </ol>
 *
 * <p>What becomes of an image depends on the augmentation, the seed of the batches, how often the
 * image has come and its index, and not on the batch it is in, on threads or ranks. What is drawn
 * for one change does not depend on the others. For CIFAR-10:
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
 * <p>For photos that are stored with 256 × 256 pixels and a network that takes 224 × 224:
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
 * <p>The changes are computed natively. Those of colour and size are torchvision's, whose
 * transforms v2 on float tensors give the same values for the same draws.
 *
 * @param padding by how many pixels at most an image is moved to each side; 0 leaves it in place
 * @param reflected whether the mirror image fills what the image leaves when it is moved, in place
 *     of zeros
 * @param resizedCrop which part of the image is resized; empty if none is
 * @param outputSize rows and columns of the result; empty for those of the image
 * @param flipProbability how likely left and right are exchanged
 * @param colorJitter how much the colours change; empty if they do not
 * @param mean what is subtracted, one for each channel or one for all; empty if images are not
 *     normalised. Immutable.
 * @param deviation what the difference is divided by, as many as of {@code mean}. Immutable.
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
   * A random part of an image, which is resized (Szegedy et al., Going Deeper with Convolutions,
   * CVPR 2015). Its area is drawn uniformly, and so is the logarithm of its aspect ratio, width /
   * height; up to ten times, until a part of that shape fits into the image, where it then lies
   * anywhere. If none fits, it is the largest part in the middle whose aspect ratio is in the
   * range. The same as torchvision's {@code RandomResizedCrop}.
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
     * @throws IllegalArgumentException if a number is out of its range
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
     * @throws IllegalArgumentException if a number is out of its range
     */
    public Size {
      Arguments.between(height, 1, MOST_PIXELS, "Augmentation.Size", "height");
      Arguments.between(width, 1, MOST_PIXELS, "Augmentation.Size", "width");
    }
  }

  /**
   * Random changes of an image's colours, in a random order, by the formulas of torchvision's
   * {@code ColorJitter}. Of values v from 0 to 1, with factors f that are drawn uniformly for each
   * image and grey = 0.2989 red + 0.587 green + 0.114 blue, they make the following, cut off at 0
   * and 1:
   *
   * <ul>
   *   <li>brightness: f v
   *   <li>contrast: f v + (1 − f) (mean of the image's grey)
   *   <li>saturation: f v + (1 − f) (grey of the pixel)
   *   <li>hue: the hue of HSV, a circle of length 1, moves on by f.
   * </ul>
   *
   * <p>Images of one channel are grey: their saturation and hue stay as they are.
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
     * @throws IllegalArgumentException if a number is out of its range
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
   * Networks with Cutout, 2017, arXiv 1708.04552). Its centre is anywhere in the result; what lies
   * beyond the border is cut off. An odd side counts in full, where the authors' code takes one
   * less.
   *
   * @param side rows and columns
   * @param value what it is filled with, one for each channel or one for all; empty for 0.
   *     Immutable. It is not normalised any more: as in the authors' code, 0 stands for the mean.
   *     Where the training step normalises, its mean does the same.
   */
  public record Cutout(int side, List<Double> value) {
    /**
     * Checks the values.
     *
     * @param side from 1 to 1,048,576
     * @param value finite
     * @throws IllegalArgumentException if a number is out of its range, or the list null
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
   * @param padding from 0 to 1,048,576; 0 beside a resized crop
   * @param reflected as above
   * @param resizedCrop as above
   * @param outputSize as above
   * @param flipProbability from 0 to 1
   * @param colorJitter as above
   * @param mean finite
   * @param deviation positive and finite
   * @param cutout as above
   * @throws IllegalArgumentException if one is null or out of its range, or the lists differ in
   *     length
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
   * The augmentation that changes nothing.
   *
   * @return the augmentation
   */
  public static Augmentation none() {
    return NONE;
  }

  /**
   * The augmentation that moves images only, and fills up with zeros; that of the main job.
   *
   * @param pixels by how much at most, up and down and to each side, from 0 to 1,048,576
   * @return the augmentation
   * @throws IllegalArgumentException if the number is out of range
   */
  public static Augmentation shift(int pixels) {
    return NONE.withShift(pixels);
  }

  /**
   * Moves each image by a random number of pixels up or down and to a side, and fills up with
   * zeros; the same as {@link #withCrop} with as much padding.
   *
   * @param pixels by how much at most, from 0 to 1,048,576
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if the number is out of range, or above 0 beside a resized
   *     crop
   */
  public Augmentation withShift(int pixels) {
    return withCrop(pixels);
  }

  /**
   * Crops each image, at a random place, to its own size from itself with zeros around it. With a
   * smaller {@linkplain #withOutputSize output size}, the part in the middle is moved by up to as
   * many pixels; by half the difference of the sizes, anywhere in the image.
   *
   * @param padding zeros on each side, from 0 to 1,048,576; 4 for CIFAR
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if the number is out of range, or above 0 beside a resized
   *     crop
   */
  public Augmentation withCrop(int padding) {
    return withMove(padding, false);
  }

  /**
   * Crops each image, at a random place, to its own size from itself with its mirror image around
   * it; the rows and columns at the border are not repeated.
   *
   * @param padding pixels on each side, from 0 to 1,048,576 and less than rows and columns
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if the number is out of range, or above 0 beside a resized
   *     crop
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
   * Resizes a random part of each image, whose aspect ratio is from 3/4 to 4/3, to the {@linkplain
   * #withOutputSize output size}.
   *
   * @param minScale the smallest area, as a share of the image's, above 0; 0.08 for ImageNet
   * @param maxScale the largest area, from minScale to 1
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if a number is out of its range, or images are moved, too
   */
  public Augmentation withRandomResizedCrop(double minScale, double maxScale) {
    return withRandomResizedCrop(minScale, maxScale, MIN_RATIO, MAX_RATIO);
  }

  /**
   * Resizes a random part of each image to the {@linkplain #withOutputSize output size}:
   * bilinearly, with antialiasing where it becomes smaller.
   *
   * @param minScale the smallest area, as a share of the image's, above 0; 0.08 for ImageNet
   * @param maxScale the largest area, from minScale to 1
   * @param minRatio the smallest aspect ratio, width / height, above 0
   * @param maxRatio the largest aspect ratio, at least minRatio, finite
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if a number is out of its range, or images are moved, too
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
   * Gives results of this size: what a resized crop is resized to, and otherwise the part in the
   * middle of an image, which must not be smaller.
   *
   * @param height rows, from 1 to 1,048,576
   * @param width columns, from 1 to 1,048,576
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if a number is out of its range
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
   * Exchanges left and right of some images.
   *
   * @param probability from 0 to 1
   * @return this augmentation, but for that
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
   * Changes the colours of each image at random, see {@link ColorJitter}. Images are of three
   * channels, red, green and blue, or of one.
   *
   * @param brightness at least 0, finite
   * @param contrast at least 0, finite
   * @param saturation at least 0, finite
   * @param hue from 0 to 0.5
   * @return this augmentation, but for that; with four zeros, one that leaves colours as they are
   * @throws IllegalArgumentException if a number is out of its range
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
   * Makes channel c (value − mean[c]) / deviation[c]. Either this or the images of the training
   * step are to be normalised, not both.
   *
   * @param mean finite, one for each channel or one for all; none to leave the values as they are
   * @param deviation the same number of values, positive and finite
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if an argument is null or out of its range
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
   * Overwrites a square of each image at a random place, see {@link Cutout}.
   *
   * @param side rows and columns, from 0, for none, to 1,048,576; 16 for CIFAR-10, 8 for CIFAR-100
   * @param value what it is filled with, finite, one for each channel or one for all; none for 0,
   *     the mean of images that are normalised here. Where the training step normalises, its mean.
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if an argument is null or out of its range
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
   * Keeps normalisation and output size only: what images to be evaluated need.
   *
   * @return an augmentation that draws nothing
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
   * The shape of the results.
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

  /** Requires that images of a shape can be augmented; {@code function} is the caller's name. */
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

  /** Adds all that decides what becomes of an image; what came later only where it is used. */
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
