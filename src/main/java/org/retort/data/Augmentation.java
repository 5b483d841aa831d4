package org.retort.data;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NativeLibrary;

/**
 * How images are changed before a network sees them, in this order: cropped at random, mirrored at
 * random, normalised. What becomes of an image depends on the augmentation, the seed of the
 * batches, how often the image has come and its index, and not on the batch it is in.
 *
 * <p>An augmentation does not change; any number of threads may use it. The work is native.
 */
public final class Augmentation {
  private static final double[] NONE = {};

  private final int padding;
  private final boolean reflect;
  private final double flip;
  private final double[] mean;
  private final double[] deviation;

  private Augmentation(Builder builder) {
    padding = builder.padding;
    reflect = builder.reflect;
    flip = builder.flip;
    mean = builder.mean;
    deviation = builder.deviation;
  }

  /**
   * Starts an augmentation that changes nothing.
   *
   * @return a new builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Makes an augmentation that moves images, and fills up with zeros; that of the main job.
   *
   * @param pixels by how much at most, up and down and to each side, at least 0
   * @return the augmentation
   * @throws IllegalArgumentException if the number is out of range
   */
  public static Augmentation shift(int pixels) {
    return builder().shift(pixels).build();
  }

  /**
   * Makes what images to be evaluated need that a network was trained on with {@link
   * Builder#normalize}: the same, and nothing else.
   *
   * @return an augmentation that draws nothing
   */
  public Augmentation withoutDraws() {
    Builder builder = new Builder();
    builder.mean = mean;
    builder.deviation = deviation;
    return builder.build();
  }

  /** Requires that images of a shape can be augmented; {@code function} is the caller's name. */
  void check(String function, ImageShape shape) {
    int smaller = Math.min(shape.height(), shape.width());
    if (reflect && padding >= smaller) {
      throw new IllegalArgumentException(
          function
              + ": padding must be less than the images' rows and columns to be reflected (got "
              + padding
              + " for "
              + smaller
              + ")");
    }
    if (mean.length > 1 && mean.length != shape.channels()) {
      throw new IllegalArgumentException(
          function
              + ": mean must be one for each of "
              + shape.channels()
              + " channels, or one (got "
              + mean.length
              + ")");
    }
  }

  /**
   * Augments the images between position and limit of {@code images} into those of {@code
   * augmented}, all direct buffers, whose positions stay.
   */
  void apply(
      FloatBuffer images,
      LongBuffer indices,
      FloatBuffer augmented,
      ImageShape shape,
      long seed,
      long round) {
    NativeLibrary.load();
    try {
      retort.augment(
          images,
          indices,
          augmented,
          indices.remaining(),
          shape.channels(),
          shape.height(),
          shape.width(),
          padding,
          reflect,
          flip,
          mean,
          deviation,
          mean.length,
          seed,
          round);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  /** Collects what is done to images. */
  public static final class Builder {
    private static final String NAME = "Augmentation.Builder";

    /** No image that fits into memory is larger. */
    private static final int MOST_PADDING = 1 << 20;

    private int padding;
    private boolean reflect;
    private double flip;
    private double[] mean = NONE;
    private double[] deviation = NONE;

    private Builder() {}

    /**
     * Crops each image, at a random place, to its own size from itself with zeros around it.
     *
     * @param padding zeros on each side, at least 0; 4 for CIFAR
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder crop(int padding) {
      return crop("crop", "padding", padding, false);
    }

    /**
     * Crops each image, at a random place, to its own size from itself with its mirror image around
     * it; the rows and columns at the border are not repeated.
     *
     * @param padding pixels on each side, at least 0 and less than rows and columns
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder reflectedCrop(int padding) {
      return crop("reflectedCrop", "padding", padding, true);
    }

    /**
     * Moves each image by a random number of pixels up or down and to a side, and fills up with
     * zeros; the same as {@link #crop} with as much padding.
     *
     * @param pixels by how much at most, at least 0
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder shift(int pixels) {
      return crop("shift", "pixels", pixels, false);
    }

    private Builder crop(String method, String argument, int pixels, boolean isReflected) {
      Arguments.between(pixels, 0, MOST_PADDING, NAME + "." + method, argument);
      padding = pixels;
      reflect = isReflected;
      return this;
    }

    /**
     * Exchanges left and right of some images.
     *
     * @param probability from 0 to 1
     * @return this builder
     * @throws IllegalArgumentException if the probability is out of range
     */
    public Builder flip(double probability) {
      if (!(probability >= 0 && probability <= 1)) {
        throw new IllegalArgumentException(
            NAME + ".flip: probability must be between 0 and 1 (got " + probability + ")");
      }
      flip = probability;
      return this;
    }

    /**
     * Makes channel c (value − mean[c]) / deviation[c]. Either this or the images of the training
     * step are to be normalised, not both.
     *
     * @param mean finite, one for each channel, or one for all
     * @param deviation the same number of values, positive and finite
     * @return this builder
     * @throws IllegalArgumentException if an argument is null or out of its range
     */
    public Builder normalize(double[] mean, double[] deviation) {
      Arguments.notNull(mean, NAME + ".normalize", "mean");
      Arguments.notNull(deviation, NAME + ".normalize", "deviation");
      if (mean.length != deviation.length || mean.length == 0) {
        throw new IllegalArgumentException(
            NAME
                + ".normalize: mean and deviation must have the same length, at least 1 (got "
                + mean.length
                + " and "
                + deviation.length
                + ")");
      }
      for (int i = 0; i < mean.length; i++) {
        require(Double.isFinite(mean[i]), "mean must be finite", mean[i]);
        require(
            deviation[i] > 0 && Double.isFinite(deviation[i]),
            "deviation must be positive and finite",
            deviation[i]);
      }
      this.mean = mean.clone();
      this.deviation = deviation.clone();
      return this;
    }

    private static void require(boolean condition, String rule, double got) {
      if (!condition) {
        throw new IllegalArgumentException(NAME + ".normalize: " + rule + " (got " + got + ")");
      }
    }

    /**
     * Builds the augmentation.
     *
     * @return a new augmentation
     */
    public Augmentation build() {
      return new Augmentation(this);
    }
  }
}
