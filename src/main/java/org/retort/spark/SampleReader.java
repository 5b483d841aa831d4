package org.retort.spark;

import java.io.Serializable;
import java.nio.FloatBuffer;
import org.retort.data.Dataset;

/**
 * Says what networks see of a row. {@link ImageColumns} reads rows of a {@code Dataset<Row>}.
 *
 * <p>It is sent to the executors, each of which reads its rows once, in one thread.
 *
 * @param <T> the type of the rows
 */
public interface SampleReader<T> extends Serializable {
  /**
   * What a network sees of one row, without the batch.
   *
   * @return positive sizes: channels, height and width of an image, or the number of features
   */
  long[] inputShape();

  /**
   * The number of classes.
   *
   * @return at least 1
   */
  int classes();

  /**
   * Appends the values of a row.
   *
   * @param row the row
   * @param values where to put them, as many as the input shape has
   */
  void read(T row, FloatBuffer values);

  /**
   * The class of a row.
   *
   * @param row the row
   * @return from 0 to classes − 1, or {@link Dataset#UNLABELED}
   */
  int label(T row);
}
