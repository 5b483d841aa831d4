package org.retort.internal;

import java.util.List;
import java.util.function.Consumer;
import org.bytedeco.pytorch.DoubleVector;
import org.bytedeco.pytorch.LongVector;
import org.retort.bindings.NativePreprocessing;

/** Hands over how images are prepared. */
public final class NativePreprocessings {
  private NativePreprocessings() {}

  /**
   * Hands over a native preprocessing.
   *
   * @param inputShape the shape of one image; empty if it is not known
   * @param mean one for each channel, one for all, or none
   * @param deviation as many
   * @param channelsLast whether channels come last in memory
   * @param setter must copy it at once
   */
  public static void give(
      List<Long> inputShape,
      List<Double> mean,
      List<Double> deviation,
      boolean channelsLast,
      Consumer<NativePreprocessing> setter) {
    try (NativePreprocessing options = new NativePreprocessing();
        LongVector shape =
            new LongVector(inputShape.stream().mapToLong(Long::longValue).toArray());
        DoubleVector means = doubles(mean);
        DoubleVector deviations = doubles(deviation)) {
      options.input_shape(shape).mean(means).deviation(deviations).channels_last(channelsLast);
      setter.accept(options);
    }
  }

  private static DoubleVector doubles(List<Double> values) {
    return new DoubleVector(values.stream().mapToDouble(Double::doubleValue).toArray());
  }
}
