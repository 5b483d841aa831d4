package org.retort.spark;

import java.io.Serializable;
import java.nio.FloatBuffer;
import org.retort.data.Dataset;

/**
 * Turns rows into samples for networks. {@link ImageColumns} reads rows of a {@code Dataset<Row>}.
 *
 * <p>It is sent to the executors, each of which reads its rows once, in one thread.
 *
 * @param <T> the type of the rows
 */
public interface SampleReader<T> extends Serializable {
  /**
   * Returns the shape of what a network sees of one row, without the batch dimension.
   *
   * @return positive sizes: channels, height and width of an image, or the number of features
   */
  long[] inputShape();

  /**
   * Returns the number of classes.
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
   * Returns the class of a row.
   *
   * @param row the row
   * @return from 0 to classes − 1, or {@link Dataset#UNLABELED}
   */
  int label(T row);
}
