package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.Arrays;
import java.util.OptionalDouble;
import org.retort.internal.Arguments;

/**
 * The classification metrics of a network: which classes it predicts for the samples of each class,
 * and the figures derived from that. {@link Evaluation#metrics} computes them. Immutable and
 * thread-safe.
 *
 * <pre>{@code
 * Metrics metrics = Evaluation.metrics(student, testBatches);
 * double accuracy = metrics.accuracy();
 * long catsTakenForDogs = metrics.confusion(CAT, DOG);
 * }</pre>
 */
public final class Metrics {
  private static final String OF = "Metrics.of";

  private final long[][] confusion; // [label][predicted]
  private final long inTop5;
  private final long[] supports;
  private final long[] predictions;
  private final long samples;
  private final long correct;

  private Metrics(long[][] confusion, long inTop5) {
    this.confusion = confusion;
    this.inTop5 = inTop5;
    supports = new long[confusion.length];
    predictions = new long[confusion.length];
    long all = 0;
    long right = 0;
    for (int label = 0; label < confusion.length; label++) {
      right += confusion[label][label];
      for (int predicted = 0; predicted < confusion.length; predicted++) {
        long count = confusion[label][predicted];
        supports[label] += count;
        predictions[predicted] += count;
        all += count;
      }
    }
    samples = all;
    correct = right;
  }

  /**
   * Creates metrics from counts, for example from counts kept in a file.
   *
   * @param confusion [classes][classes], for each class, how many of its samples are predicted as
   *     which class; copied
   * @param inTop5 the number of samples with their label among the five largest logits
   * @return the metrics
   * @throws IllegalArgumentException if the matrix is null, empty or not square, has a negative
   *     count or no sample, or {@code inTop5} is not between the number of correct samples and that
   *     of all
   */
  public static Metrics of(long[][] confusion, long inTop5) {
    Arguments.notNull(confusion, OF, "confusion");
    check(confusion.length > 0, "%s: confusion must have a class (got none)", OF);
    long[][] copy = new long[confusion.length][];
    for (int label = 0; label < copy.length; label++) {
      Arguments.notNull(confusion[label], OF, "confusion[" + label + "]");
      copy[label] = confusion[label].clone();
      check(
          copy[label].length == copy.length,
          "%s: confusion must have %s counts for each class (got %s for class %s)",
          OF,
          copy.length,
          copy[label].length,
          label);
      for (long count : copy[label]) {
        Arguments.atLeast(count, 0, OF, "confusion");
      }
    }
    Metrics metrics = new Metrics(copy, inTop5);
    check(metrics.samples > 0, "%s: confusion must count a sample (got none)", OF);
    Arguments.between(inTop5, metrics.correct, metrics.samples, OF, "inTop5");
    return metrics;
  }

  /**
   * Returns the number of classes.
   *
   * @return at least 1
   */
  public int classes() {
    return confusion.length;
  }

  /**
   * Returns the number of samples that have a label.
   *
   * @return at least 1
   */
  public long samples() {
    return samples;
  }

  /**
   * Returns the number of correctly predicted samples, whose class has the largest logit.
   *
   * @return a count
   */
  public long correct() {
    return correct;
  }

  /**
   * Returns the number of samples whose class is among those with the five largest logits.
   *
   * @return a count
   */
  public long inTop5() {
    return inTop5;
  }

  /**
   * Returns the fraction of correctly predicted samples, as {@link Evaluation#accuracy} does.
   *
   * @return between 0 and 1
   */
  public double accuracy() {
    return (double) correct / samples;
  }

  /**
   * Returns the fraction of the samples whose class is among those with the five largest logits.
   *
   * @return between {@link #accuracy()} and 1; 1 for five classes or fewer
   */
  public double top5Accuracy() {
    return (double) inTop5 / samples;
  }

  /**
   * Returns the mean {@linkplain #recall recall} of the classes that have samples: an accuracy to
   * which each class contributes equally, however many samples it has.
   *
   * @return between 0 and 1
   */
  public double balancedAccuracy() {
    double sum = 0;
    int present = 0;
    for (int label = 0; label < confusion.length; label++) {
      if (supports[label] > 0) {
        sum += (double) confusion[label][label] / supports[label];
        present++;
      }
    }
    return sum / present;
  }

  /**
   * Returns an entry of the confusion matrix.
   *
   * @param label the samples' class, from 0
   * @param predicted the predicted class, from 0
   * @return the number of samples
   * @throws IllegalArgumentException if there is no such class
   */
  public long confusion(int label, int predicted) {
    classOf(label, "Metrics.confusion", "label");
    classOf(predicted, "Metrics.confusion", "predicted");
    return confusion[label][predicted];
  }

  /**
   * Returns the number of samples of a class.
   *
   * @param label the class, from 0
   * @return a count
   * @throws IllegalArgumentException if there is no such class
   */
  public long support(int label) {
    classOf(label, "Metrics.support", "label");
    return supports[label];
  }

  /**
   * Returns the number of samples predicted as a class.
   *
   * @param label the class, from 0
   * @return a count
   * @throws IllegalArgumentException if there is no such class
   */
  public long predictions(int label) {
    classOf(label, "Metrics.predictions", "label");
    return predictions[label];
  }

  /**
   * Returns the fraction of a class's samples that are predicted as that class: the accuracy of
   * this class.
   *
   * @param label the class, from 0
   * @return between 0 and 1; empty if it has no samples
   * @throws IllegalArgumentException if there is no such class
   */
  public OptionalDouble recall(int label) {
    classOf(label, "Metrics.recall", "label");
    return fraction(confusion[label][label], supports[label]);
  }

  /**
   * Returns the fraction of the samples predicted as a class that belong to it.
   *
   * @param label the class, from 0
   * @return between 0 and 1; empty if it is never predicted
   * @throws IllegalArgumentException if there is no such class
   */
  public OptionalDouble precision(int label) {
    classOf(label, "Metrics.precision", "label");
    return fraction(confusion[label][label], predictions[label]);
  }

  /**
   * Returns the harmonic mean of a class's precision and recall.
   *
   * @param label the class, from 0
   * @return between 0 and 1; empty if it has no samples and is never predicted
   * @throws IllegalArgumentException if there is no such class
   */
  public OptionalDouble f1(int label) {
    classOf(label, "Metrics.f1", "label");
    return fraction(2 * confusion[label][label], supports[label] + predictions[label]);
  }

  private static OptionalDouble fraction(long part, long whole) {
    return whole == 0 ? OptionalDouble.empty() : OptionalDouble.of((double) part / whole);
  }

  private void classOf(int label, String function, String argument) {
    Arguments.between(label, 0, confusion.length - 1, function, argument);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Metrics metrics
        && inTop5 == metrics.inTop5
        && Arrays.deepEquals(confusion, metrics.confusion);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.deepHashCode(confusion) + Long.hashCode(inTop5);
  }

  /** Returns the totals over all classes. */
  @Override
  public String toString() {
    return "Metrics[classes=%d, samples=%d, correct=%d, inTop5=%d]"
        .formatted(confusion.length, samples, correct, inTop5);
  }
}
