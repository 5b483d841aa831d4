package org.retort.train;

import java.util.OptionalDouble;
import org.retort.internal.Arguments;

/**
 * The results of an epoch.
 *
 * @param epoch its number, from 0
 * @param steps number of batches, including skipped ones
 * @param skipped number of batches skipped because a value was not finite
 * @param loss the mean of {@link StepResult#total} over the others; NaN if there are none
 * @param accuracy the training accuracy: the fraction of the labelled samples that the student
 *     classified correctly when it was trained on them; empty if there are none
 * @param score the result of the evaluation; empty if there was none after this epoch
 * @param best whether the score is higher than all previous ones
 * @param learningRate the learning rate of the last step
 * @param seconds the seconds that the epoch took in this process, without the evaluation
 */
public record EpochSummary(
    int epoch,
    int steps,
    int skipped,
    double loss,
    OptionalDouble accuracy,
    OptionalDouble score,
    boolean best,
    double learningRate,
    double seconds) {
  /**
   * Creates a summary.
   *
   * @param epoch as above
   * @param steps as above
   * @param skipped as above
   * @param loss as above
   * @param accuracy as above
   * @param score as above
   * @param best as above
   * @param learningRate as above
   * @param seconds as above
   * @throws IllegalArgumentException if accuracy or score is null, or the seconds are negative or
   *     not finite
   */
  public EpochSummary {
    Arguments.notNull(accuracy, "EpochSummary", "accuracy");
    Arguments.notNull(score, "EpochSummary", "score");
    Arguments.notNegative(seconds, "EpochSummary", "seconds");
  }
}
