package org.retort.train;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;
import org.retort.internal.Arguments;

/**
 * The tensors of a step's input. They are created within a scope that frees them: around buffers,
 * and from copies of arrays.
 */
final class InputTensors {
  private final String function;
  private final long[] imageShape;
  private final long sampleSize;

  /**
   * Creates the tensors of one step.
   *
   * @param function the caller's name
   * @param imageShape the shape of one image, as laid out in memory
   * @param sampleSize number of elements of an image
   */
  InputTensors(String function, long[] imageShape, long sampleSize) {
    this.function = function;
    this.imageShape = imageShape;
    this.sampleSize = sampleSize;
  }

  /** Returns the images [B, …]. */
  Tensor images(Object images) {
    if (images instanceof Tensor tensor) {
      return Arguments.tensor(tensor, function, "images");
    }
    if (images instanceof FloatBuffer buffer) {
      return around(
          new FloatPointer(buffer),
          ScalarType.Float,
          imageSizes(Arguments.batch(buffer, function, sampleSize)));
    }
    if (images instanceof ByteBuffer buffer) {
      return around(
          new BytePointer(buffer),
          ScalarType.Byte,
          imageSizes(Arguments.batch(buffer, function, sampleSize)));
    }
    if (images instanceof float[] array) {
      return Tensor.create(array, imageSizes(Arguments.batch(array.length, function, sampleSize)));
    }
    byte[] array = (byte[]) images;
    long[] sizes = imageSizes(Arguments.batch(array.length, function, sampleSize));
    return around(new BytePointer(array), ScalarType.Byte, sizes);
  }

  /** Returns one row per sample, int64 [B], or null if there are none. */
  @Nullable Tensor rows(@Nullable Object rows, String argument, long batch) {
    if (rows instanceof LongBuffer buffer) {
      Arguments.rows(buffer, function, argument, batch);
      return around(new LongPointer(buffer), ScalarType.Long, batch);
    }
    if (rows instanceof long[] array) {
      Arguments.rows(array, function, argument, batch);
      return Tensor.create(array, batch);
    }
    return Arguments.optional((Tensor) rows, function, argument);
  }

  /** Returns the rows to contrast with, int64 [B, K+1], or null if there are none. */
  @Nullable Tensor contrast(@Nullable Object contrast, long batch) {
    if (contrast instanceof LongBuffer buffer) {
      long width = Arguments.contrastWidth(buffer.remaining(), batch);
      Arguments.rows(buffer, function, "contrast", batch * width);
      return around(new LongPointer(buffer), ScalarType.Long, batch, width);
    }
    if (contrast instanceof long[] array) {
      long width = Arguments.contrastWidth(array.length, batch);
      Arguments.rows(array, function, "contrast", batch * width);
      return Tensor.create(array, batch, width);
    }
    return Arguments.optional((Tensor) contrast, function, "contrast");
  }

  /** Returns the weights [B], or null if there are none. */
  @Nullable Tensor weights(@Nullable Object weights, long batch) {
    if (weights instanceof FloatBuffer buffer) {
      Arguments.numbers(buffer, function, "weights", batch);
      return around(new FloatPointer(buffer), ScalarType.Float, batch);
    }
    return Arguments.optional((Tensor) weights, function, "weights");
  }

  /** Returns the logits [B, classes], or null if there are none. */
  @Nullable Tensor logits(@Nullable Object logits, long batch) {
    if (logits instanceof FloatBuffer buffer) {
      Arguments.perSample(buffer, function, "teacher logits", batch);
      return around(new FloatPointer(buffer), ScalarType.Float, batch, buffer.remaining() / batch);
    }
    return Arguments.optional((Tensor) logits, function, "teacher logits");
  }

  /** Creates a tensor around memory, which must stay valid. */
  static Tensor around(Pointer memory, ScalarType dtype, long... sizes) {
    return torch.from_blob(memory, sizes, new TensorOptions(dtype));
  }

  private long[] imageSizes(long batch) {
    long[] sizes = new long[imageShape.length + 1];
    sizes[0] = batch;
    System.arraycopy(imageShape, 0, sizes, 1, imageShape.length);
    return sizes;
  }
}
