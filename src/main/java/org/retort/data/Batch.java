package org.retort.data;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import org.retort.internal.Arguments;

/**
 * One batch of images in direct buffers of native byte order. Its buffers are reused: to keep a
 * batch for longer than one step, copy it.
 */
public final class Batch {
  /**
   * The label of an image whose class is unknown: the image takes part in distillation terms only.
   */
  public static final long UNLABELED = -1;

  private final FloatBuffer images;
  private final LongBuffer labels;
  private final LongBuffer indices;
  private int size;

  private Batch(int size, int valuesPerImage) {
    this.size = size;
    images = allocate(size * valuesPerImage, Float.BYTES).asFloatBuffer();
    labels = allocate(size, Long.BYTES).asLongBuffer();
    indices = allocate(size, Long.BYTES).asLongBuffer();
  }

  /**
   * Allocates a batch of zeros.
   *
   * @param size number of images, at least 1
   * @param channels channels of an image, at least 1
   * @param height rows of an image, at least 1
   * @param width columns of an image, at least 1
   * @return the batch
   * @throws IllegalArgumentException if an argument is below 1, or the images need more than 2 GiB
   */
  public static Batch allocate(int size, int channels, int height, int width) {
    Arguments.atLeast(size, 1, "Batch.allocate", "size");
    Arguments.atLeast(channels, 1, "Batch.allocate", "channels");
    Arguments.atLeast(height, 1, "Batch.allocate", "height");
    Arguments.atLeast(width, 1, "Batch.allocate", "width");
    try {
      int values = Math.multiplyExact(Math.multiplyExact(channels, height), width);
      Math.multiplyExact(Math.multiplyExact(size, values), Float.BYTES);
      return new Batch(size, values);
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException(
          "Batch.allocate: size must fit the images into 2 GiB (got " + size + ")", e);
    }
  }

  /**
   * Reads all images of a small data set.
   *
   * @param dataset the data
   * @return a new batch, in the order of the data set
   * @throws IllegalArgumentException if it is null or the images need more than 2 GiB
   * @throws org.retort.FileException if an image can't be read
   */
  public static Batch of(Dataset dataset) {
    Arguments.notNull(dataset, "Batch.of", "dataset");
    ImageShape shape = dataset.shape();
    Batch batch = allocate(dataset.size(), shape.channels(), shape.height(), shape.width());
    for (int i = 0; i < dataset.size(); i++) {
      dataset.read(i, batch.images);
      batch.labels.put(dataset.label(i));
      batch.indices.put(i);
    }
    batch.flip();
    return batch;
  }

  private static ByteBuffer allocate(int count, int bytes) {
    return ByteBuffer.allocateDirect(Math.multiplyExact(count, bytes))
        .order(ByteOrder.nativeOrder());
  }

  /**
   * Returns the pixels.
   *
   * @return the buffer, [B, C, H, W]
   */
  public FloatBuffer images() {
    return images;
  }

  /**
   * Returns the classes.
   *
   * @return the buffer, [B], {@link #UNLABELED} where the class is unknown
   */
  public LongBuffer labels() {
    return labels;
  }

  /**
   * Returns the position of each image within the part of the data it comes from.
   *
   * @return the buffer, [B]
   */
  public LongBuffer indices() {
    return indices;
  }

  /**
   * Returns the number of images. In the last batch of an epoch, it may be less than the capacity;
   * the buffers' limits reflect this.
   *
   * @return B
   */
  public int size() {
    return size;
  }

  /** Makes the buffers ready to be written from the start. */
  void clear() {
    images.clear();
    labels.clear();
    indices.clear();
  }

  /** Makes the buffers ready to be read from the start. */
  void flip() {
    size = labels.position();
    images.flip();
    labels.flip();
    indices.flip();
  }
}
