package org.retort.data;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.retort.bindings.global.retort;
import org.retort.data.Augmentation.ColorJitter;
import org.retort.data.Augmentation.Cutout;
import org.retort.data.Augmentation.ResizedCrop;
import org.retort.data.Augmentation.Size;
import org.retort.internal.Errors;
import org.retort.internal.NativeLibrary;

/** Augments images of one shape natively, without garbage. */
final class Augmenter {
  private final ImageShape shape;
  private final double[] numbers;

  Augmenter(Augmentation augmentation, ImageShape shape) {
    this.shape = shape;
    numbers = numbers(augmentation);
    NativeLibrary.load();
  }

  /** Returns the values of an augmentation, in the order of retort_jni::AugmentationValue. */
  private static double[] numbers(Augmentation augmentation) {
    Size size = augmentation.outputSize().orElse(null);
    ResizedCrop crop = augmentation.resizedCrop().orElse(null);
    ColorJitter jitter = augmentation.colorJitter().orElse(null);
    Cutout cutout = augmentation.cutout().orElse(null);
    List<Double> cutoutValue = cutout == null ? List.of() : cutout.value();
    DoubleStream alone =
        DoubleStream.of(
            size == null ? 0 : size.height(),
            size == null ? 0 : size.width(),
            augmentation.padding(),
            augmentation.reflected() ? 1 : 0,
            crop == null ? 0 : 1,
            crop == null ? 0 : crop.minScale(),
            crop == null ? 0 : crop.maxScale(),
            crop == null ? 0 : crop.minRatio(),
            crop == null ? 0 : crop.maxRatio(),
            augmentation.flipProbability(),
            jitter == null ? 0 : jitter.brightness(),
            jitter == null ? 0 : jitter.contrast(),
            jitter == null ? 0 : jitter.saturation(),
            jitter == null ? 0 : jitter.hue(),
            cutout == null ? 0 : cutout.side(),
            augmentation.mean().size(),
            cutoutValue.size());
    DoubleStream lists =
        Stream.of(augmentation.mean(), augmentation.deviation(), cutoutValue)
            .flatMap(List::stream)
            .mapToDouble(Double::doubleValue);
    return DoubleStream.concat(alone, lists).toArray();
  }

  /**
   * Augments the images between position and limit of {@code images} into those of {@code
   * augmented}, all direct buffers, whose positions do not change.
   */
  void apply(FloatBuffer images, LongBuffer indices, FloatBuffer augmented, long seed, long round) {
    try {
      retort.augment(
          images,
          indices,
          augmented,
          indices.remaining(),
          shape.channels(),
          shape.height(),
          shape.width(),
          numbers,
          seed,
          round);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }
}
