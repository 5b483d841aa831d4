package org.retort.data;

import java.util.Arrays;
import java.util.List;
import org.retort.internal.Arguments;

/**
 * How images are changed before a network sees them, in this order: cropped at random, mirrored at
 * random, normalised. What becomes of an image depends on the augmentation, the seed of the
 * batches, how often the image has come and its index, and not on the batch it is in. For CIFAR-10:
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
 * @param padding by how many pixels at most an image is moved to each side; 0 leaves it in place
 * @param reflected whether the mirror image fills what the image leaves when it is moved, in place
 *     of zeros
 * @param flipProbability how likely left and right are exchanged
 * @param mean what is subtracted, one for each channel or one for all; empty if images are not
 *     normalised. Immutable.
 * @param deviation what the difference is divided by, as many as of {@code mean}. Immutable.
 */
public record Augmentation(
    int padding,
    boolean reflected,
    double flipProbability,
    List<Double> mean,
    List<Double> deviation) {
  private static final String NAME = "Augmentation";
  private static final Augmentation NONE = new Augmentation(0, false, 0, List.of(), List.of());

  /** No image that fits into memory is larger. */
  private static final int MOST_PADDING = 1 << 20;

  /**
   * Checks the values.
   *
   * @param padding from 0 to 1,048,576
   * @param reflected as above
   * @param flipProbability from 0 to 1
   * @param mean finite
   * @param deviation positive and finite
   * @throws IllegalArgumentException if one is null or out of its range, or the lists differ in
   *     length
   */
  public Augmentation {
    Arguments.between(padding, 0, MOST_PADDING, NAME, "padding");
    Arguments.check(
        flipProbability >= 0 && flipProbability <= 1,
        "Augmentation: flipProbability must be between 0 and 1 (got %s)",
        flipProbability);
    mean = Arguments.list(mean, NAME, "mean");
    deviation = Arguments.list(deviation, NAME, "deviation");
    Arguments.normalization(mean, deviation, NAME);
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
   * @throws IllegalArgumentException if the number is out of range
   */
  public Augmentation withShift(int pixels) {
    return withCrop(pixels);
  }

  /**
   * Crops each image, at a random place, to its own size from itself with zeros around it.
   *
   * @param padding zeros on each side, from 0 to 1,048,576; 4 for CIFAR
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if the number is out of range
   */
  public Augmentation withCrop(int padding) {
    return new Augmentation(padding, false, flipProbability, mean, deviation);
  }

  /**
   * Crops each image, at a random place, to its own size from itself with its mirror image around
   * it; the rows and columns at the border are not repeated.
   *
   * @param padding pixels on each side, from 0 to 1,048,576 and less than rows and columns
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if the number is out of range
   */
  public Augmentation withReflectedCrop(int padding) {
    return new Augmentation(padding, true, flipProbability, mean, deviation);
  }

  /**
   * Exchanges left and right of some images.
   *
   * @param probability from 0 to 1
   * @return this augmentation, but for that
   * @throws IllegalArgumentException if the probability is out of range
   */
  public Augmentation withFlip(double probability) {
    return new Augmentation(padding, reflected, probability, mean, deviation);
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
    return new Augmentation(padding, reflected, flipProbability, list(mean), list(deviation));
  }

  private static List<Double> list(double[] values) {
    return Arrays.stream(values).boxed().toList();
  }

  /**
   * Keeps the normalisation only: what images to be evaluated need if a network was trained on
   * normalised ones.
   *
   * @return an augmentation that draws nothing
   */
  public Augmentation withoutDraws() {
    return new Augmentation(0, false, 0, mean, deviation);
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
    Arguments.check(
        mean.size() <= 1 || mean.size() == shape.channels(),
        "%s: mean must be one for each of %d channels, or one (got %d)",
        function,
        shape.channels(),
        mean.size());
  }
}
