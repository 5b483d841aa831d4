package org.retort.data;

import java.nio.FloatBuffer;
import java.util.List;

/**
 * Images of one shape in some classes, each at its index; the source of {@link DatasetBatches}. It
 * stays as it is, so that an index always means the same image: memories of embeddings and caches
 * of a teacher's outputs count on that.
 *
 * <p>Any number of threads may read a data set at once; {@link DatasetBatches} reads it on threads
 * of its own.
 */
public interface Dataset {
  /** The label of an image whose class is not known. */
  int UNLABELED = (int) Batch.UNLABELED;

  /**
   * The number of images.
   *
   * @return at least 1
   */
  int size();

  /**
   * The number of classes.
   *
   * @return at least 1
   */
  int classes();

  /**
   * The shape of each image.
   *
   * @return the shape
   */
  ImageShape shape();

  /**
   * What a network sees of one sample, without the batch: by default channels, height and width of
   * {@link #shape}. Rows of a table are [features], though their {@link #shape} is [features, 1,
   * 1].
   *
   * @return a new array of positive sizes, whose product is the number of values of the shape
   */
  default long[] inputShape() {
    ImageShape shape = shape();
    return new long[] {shape.channels(), shape.height(), shape.width()};
  }

  /**
   * The class of an image. Does not read the image.
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
   * @param image where to put them; its position moves on by the number of values
   * @throws IllegalArgumentException if there is no such image, or no room for it
   * @throws org.retort.FileException if the image can't be read
   */
  void read(int index, FloatBuffer image);

  /**
   * The names of the classes.
   *
   * @return one for each class, in their order; empty if they have none. Immutable.
   */
  default List<String> classNames() {
    return List.of();
  }

  /**
   * Identifies the images: two data sets with the same fingerprint have the same images at the same
   * indices. By default a hash of size, shape, classes, their names and all labels, none of an
   * image; a data set that knows a cheap sign of its images' content adds it.
   *
   * @return a hash, the same in every process and on every machine
   * @throws org.retort.FileException if a file that it depends on can't be read
   */
  default long fingerprint() {
    return Fingerprint.of(this).value();
  }
}
