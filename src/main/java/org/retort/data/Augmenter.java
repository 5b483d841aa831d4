package org.retort.data;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.List;
import org.retort.bindings.global.retort;
import org.retort.internal.Errors;
import org.retort.internal.NativeLibrary;

/** Augments images of one shape natively, without garbage. */
final class Augmenter {
  private final Augmentation augmentation;
  private final ImageShape shape;
  private final double[] mean;
  private final double[] deviation;

  Augmenter(Augmentation augmentation, ImageShape shape) {
    this.augmentation = augmentation;
    this.shape = shape;
    mean = array(augmentation.mean());
    deviation = array(augmentation.deviation());
    NativeLibrary.load();
  }

  private static double[] array(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /**
   * Augments the images between position and limit of {@code images} into those of {@code
   * augmented}, all direct buffers, whose positions stay.
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
          augmentation.padding(),
          augmentation.reflected(),
          augmentation.flipProbability(),
          mean,
          deviation,
          mean.length,
          seed,
          round);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }
}
