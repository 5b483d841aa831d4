package org.retort.spark;

import java.io.Serializable;
import java.util.Locale;

/**
 * An epoch of a {@link SparkDistillation}, as reported to the driver.
 *
 * @param training what was trained: the name given to {@link SparkRank#trainer}
 * @param epoch its number, from 0
 * @param loss the mean of {@link org.retort.train.StepResult#total}
 * @param accuracy the training accuracy, a fraction; NaN without labels
 * @param score the result of the evaluation; NaN if there was none
 * @param imagesPerSecond of all ranks together
 */
public record SparkEpoch(
    String training, int epoch, double loss, double accuracy, double score, double imagesPerSecond)
    implements Serializable {
  /** Returns the text for the log and Spark's web UI. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    text.append(format("%s, epoch %d: loss %.4g", training, epoch, loss));
    if (!Double.isNaN(accuracy)) {
      text.append(format(", accuracy %.4g", accuracy));
    }
    if (!Double.isNaN(score)) {
      text.append(format(", score %.4g", score));
    }
    return text.append(format(", %.0f images/s", imagesPerSecond)).toString();
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
