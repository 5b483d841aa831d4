package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.function.Consumer;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.DoubleVector;
import org.bytedeco.pytorch.LongVector;
import org.retort.bindings.NativePreprocessing;
import org.retort.internal.Arguments;
import org.retort.internal.NativePreprocessings;
import org.retort.internal.NumberLists;

/**
 * The way images become the input of networks: their size and what is done to them. Training steps
 * and a {@link Predictor} take them as floats or as unsigned bytes, which are divided by 255.
 * Normalisation turns channel c into {@code (value − mean[c]) / deviation[c]}; each feature of a
 * table row is a channel.
 *
 * <p>A network keeps the preprocessing it was trained with, also in files: {@link Network#predict},
 * {@link Network#accuracy}, {@link org.retort.train.Evaluation} and predictors prepare images as
 * training did.
 *
 * @param inputShape the shape of one image, without the batch, channels first, for example 3, 32,
 *     32; empty if it is not known
 * @param mean one for each channel or one for all, for example CIFAR-100's 0.5071, 0.4867, 0.4408;
 *     empty if images are already normalised
 * @param deviation positive, as many as there are means
 * @param channelsLast whether images are laid out in memory as [B, height, width, channels] instead
 *     of [B, channels, height, width]
 */
public record Preprocessing(
    List<Long> inputShape, List<Double> mean, List<Double> deviation, boolean channelsLast) {
  static {
    NativePreprocessings.setGiver(
        (preprocessing, setter) -> ((Preprocessing) preprocessing).giveTo(setter));
  }

  private static final String NAME = "Preprocessing";

  /**
   * Creates a preprocessing.
   *
   * @param inputShape positive sizes, or none
   * @param mean one for each channel, one for all, or none
   * @param deviation positive, as many as there are means
   * @param channelsLast whether the channels of a pixel are adjacent
   * @throws IllegalArgumentException if an argument is null or out of range, or the numbers of
   *     means and deviations differ
   */
  public Preprocessing {
    inputShape = Arguments.list(inputShape, NAME, "input shape");
    check(
        inputShape.stream().allMatch(size -> size > 0),
        "%s: input shape must have positive sizes (got %s)",
        NAME,
        inputShape);
    mean = Arguments.list(mean, NAME, "mean");
    deviation = Arguments.list(deviation, NAME, "deviation");
    Arguments.normalization(mean, deviation, NAME);
  }

  /**
   * Creates a preprocessing for images that are already normalised, with channels first.
   *
   * @param inputShape the shape of one image, for example 3, 32, 32; none if it is not known
   * @return the preprocessing
   * @throws IllegalArgumentException if a size is not positive
   */
  public static Preprocessing of(long... inputShape) {
    Arguments.notNull(inputShape, NAME, "input shape");
    return new Preprocessing(
        LongStream.of(inputShape).boxed().toList(), List.of(), List.of(), false);
  }

  /**
   * Returns a copy with the given image shape.
   *
   * @param inputShape without the batch, channels first; none if it is not known
   * @return a changed copy
   * @throws IllegalArgumentException if a size is not positive
   */
  public Preprocessing withInputShape(long... inputShape) {
    Arguments.notNull(inputShape, NAME, "input shape");
    return new Preprocessing(
        LongStream.of(inputShape).boxed().toList(), mean, deviation, channelsLast);
  }

  /**
   * Returns a copy with the given normalisation of channels.
   *
   * @param mean finite, one for each channel or one for all
   * @param deviation positive and finite, the same number of values
   * @return a changed copy
   * @throws IllegalArgumentException if an array is null, the two differ in length, or a value is
   *     out of range
   */
  public Preprocessing withNormalization(double[] mean, double[] deviation) {
    Arguments.notNull(mean, NAME, "mean");
    Arguments.notNull(deviation, NAME, "deviation");
    return new Preprocessing(
        inputShape,
        DoubleStream.of(mean).boxed().toList(),
        DoubleStream.of(deviation).boxed().toList(),
        channelsLast);
  }

  /**
   * Returns a copy with the given memory layout of images; channels come first by default.
   *
   * @param channelsLast whether the channels of a pixel are adjacent, as in decoded pictures
   * @return a changed copy
   */
  public Preprocessing withChannelsLast(boolean channelsLast) {
    return new Preprocessing(inputShape, mean, deviation, channelsLast);
  }

  static Preprocessing of(NativePreprocessing options) {
    try (LongVector shape = options.input_shape();
        DoubleVector mean = options.mean();
        DoubleVector deviation = options.deviation()) {
      return new Preprocessing(
          LongStream.of(shape.get()).boxed().toList(),
          DoubleStream.of(mean.get()).boxed().toList(),
          DoubleStream.of(deviation.get()).boxed().toList(),
          options.channels_last());
    }
  }

  private void giveTo(Consumer<NativePreprocessing> setter) {
    try (NativePreprocessing options = new NativePreprocessing();
        LongVector shape = NumberLists.longs(inputShape);
        DoubleVector means = NumberLists.doubles(mean);
        DoubleVector deviations = NumberLists.doubles(deviation)) {
      options.input_shape(shape).mean(means).deviation(deviations).channels_last(channelsLast);
      setter.accept(options);
    }
  }
}
