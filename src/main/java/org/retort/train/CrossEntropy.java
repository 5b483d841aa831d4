package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.DoubleStream;
import org.bytedeco.pytorch.DoubleVector;
import org.retort.bindings.NativeCrossEntropyTerm;
import org.retort.internal.Arguments;

/**
 * The cross-entropy of the student's logits with the labels, over the labelled samples, as in
 * {@code torch.nn.functional.cross_entropy}. Immutable: each method returns a changed copy.
 *
 * <pre>{@code
 * loss = Σ_b u_b · [(1 − s) · −w_y ln p_y − s / C · Σ_c w_c ln p_c] / Σ_b u_b w_y
 * }</pre>
 *
 * <p>where p is the softmax of sample b's logits, y its label, u_b its weight ({@link
 * StepInput#weights}), w the class weights, s the label smoothing and C the number of classes. If
 * no labelled sample has a positive weight, the loss is 0.
 */
public final class CrossEntropy {
  private final Consumer<NativeCrossEntropyTerm> settings;

  private CrossEntropy(Consumer<NativeCrossEntropyTerm> settings) {
    this.settings = settings;
  }

  /**
   * The plain cross-entropy.
   *
   * @param weight its weight in the sum of losses, at least 0 and finite; 0 trains without labels
   * @return the cross-entropy
   * @throws IllegalArgumentException if the weight is out of range
   */
  public static CrossEntropy weight(double weight) {
    Arguments.notNegative(weight, "CrossEntropy.weight", "weight");
    return new CrossEntropy(term -> term.weight(weight));
  }

  /**
   * Sets the label smoothing s; 0 by default.
   *
   * @param smoothing between 0 and 1
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public CrossEntropy labelSmoothing(double smoothing) {
    check(
        smoothing >= 0 && smoothing <= 1,
        "CrossEntropy.labelSmoothing: smoothing must be between 0 and 1 (got %s)",
        smoothing);
    return with(term -> term.options().label_smoothing(smoothing));
  }

  /**
   * Sets the weights w of the classes; all 1 by default.
   *
   * @param weights one for each class, at least 0 and finite, not all 0
   * @return a changed copy
   * @throws IllegalArgumentException if the array is null or a weight is out of range
   */
  public CrossEntropy classWeights(double... weights) {
    String function = "CrossEntropy.classWeights";
    double[] ofClasses = Arguments.notNull(weights, function, "weights").clone();
    for (double weight : ofClasses) {
      Arguments.notNegative(weight, function, "weight");
    }
    check(
        DoubleStream.of(ofClasses).anyMatch(weight -> weight > 0),
        "%s: weights must not all be 0 (got %s)",
        function,
        Arrays.toString(ofClasses));
    return with(
        term -> {
          try (DoubleVector vector = new DoubleVector(ofClasses)) {
            term.options().class_weights(vector);
          }
        });
  }

  /**
   * Sets the schedule of the cross-entropy's weight; constant by default.
   *
   * @param schedule the schedule
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public CrossEntropy schedule(Schedule schedule) {
    Arguments.notNull(schedule, "CrossEntropy.schedule", "schedule");
    return with(term -> schedule.giveTo(term::schedule));
  }

  private CrossEntropy with(Consumer<NativeCrossEntropyTerm> setting) {
    return new CrossEntropy(settings.andThen(setting));
  }

  void writeTo(NativeCrossEntropyTerm term) {
    settings.accept(term);
  }
}
