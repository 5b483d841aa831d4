package org.retort.data;

import java.nio.FloatBuffer;
import java.util.List;

/**
 * Images of one shape with their classes, each at its index; the source of {@link DatasetBatches}.
 * A data set does not change, so an index always refers to the same image: embedding memories and
 * caches of teacher outputs rely on that.
 *
 * <p>Any number of threads may read a data set at once; {@link DatasetBatches} reads it on its own
 * threads.
 */
public interface Dataset {
  /** The label of an image whose class is unknown. */
  int UNLABELED = (int) Batch.UNLABELED;

  /**
   * Returns the number of images.
   *
   * @return at least 1
   */
  int size();

  /**
   * Returns the number of classes.
   *
   * @return at least 1
   */
  int classes();

  /**
   * Returns the shape of each image.
   *
   * @return the shape
   */
  ImageShape shape();

  /**
   * Returns the shape of one sample as a network sees it, without the batch dimension: by default,
   * channels, height and width of {@link #shape}. Table rows are [features], although their {@link
   * #shape} is [features, 1, 1].
   *
   * @return a new array of positive sizes, whose product is the number of values of the shape
   */
  default long[] inputShape() {
    ImageShape shape = shape();
    return new long[] {shape.channels(), shape.height(), shape.width()};
  }

  /**
   * Returns the class of an image. Does not read the image.
   *
   * @param index from 0 to size − 1
   * @return from 0 to classes − 1, or {@link #UNLABELED}
   * @throws IllegalArgumentException if there is no such image
   */
  int label(int index);

  /**
   * Appends the values of an image, [C, H, W], each from 0 to 1.
   *
   * @param index from 0 to size − 1
   * @param image the buffer to append to; its position advances by the number of values
   * @throws IllegalArgumentException if there is no such image, or no room for it
   * @throws org.retort.FileException if the image can't be read
   */
  void read(int index, FloatBuffer image);

  /**
   * Returns the names of the classes.
   *
   * @return one per class, in order; empty if the classes have no names. Immutable.
   */
  default List<String> classNames() {
    return List.of();
  }

  /**
   * Identifies the images: two data sets with the same fingerprint have the same images at the same
   * indices. By default, a hash of size, shape, classes, their names and all labels, but of no
   * image; a data set with a cheap way to identify its images' content adds that.
   *
   * @return a hash, the same in every process and on every machine
   * @throws org.retort.FileException if a file that it depends on can't be read
   */
  default long fingerprint() {
    return Fingerprint.of(this).value();
  }
}
