package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.stream.DoubleStream;
import org.retort.internal.Arguments;
import org.retort.internal.Shown;

/**
 * The cross-entropy between the student's logits and the labels, over the labelled samples, as in
 * {@code torch.nn.functional.cross_entropy}.
 *
 * <pre>{@code
 * loss = Σ_b u_b · [(1 − s) · −w_y ln p_y − s / C · Σ_c w_c ln p_c] / Σ_b u_b w_y
 * }</pre>
 *
 * <p>where p is the softmax of sample b's logits, y its label, u_b its weight ({@link
 * StepInput#withWeights}), w the class weights, s the label smoothing and C the number of classes.
 * If no labelled sample has a positive weight, the loss is 0.
 *
 * @param weight its weight in the sum of losses, at least 0 and finite; 0 trains without labels
 * @param labelSmoothing s, between 0 and 1; 0 by default
 * @param classWeights w, one per class, at least 0 and finite, not all 0; empty if all are 1, the
 *     default
 * @param schedule multiplies the weight; constant by default
 */
public record CrossEntropy(
    double weight, double labelSmoothing, List<Double> classWeights, Schedule schedule) {
  private static final String NAME = "CrossEntropy";
  private static final int SHOWN = 10;

  /**
   * Creates a cross-entropy.
   *
   * @param weight at least 0 and finite
   * @param labelSmoothing between 0 and 1
   * @param classWeights one per class, or none
   * @param schedule multiplies the weight
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public CrossEntropy {
    Arguments.notNegative(weight, NAME, "weight");
    check(
        labelSmoothing >= 0 && labelSmoothing <= 1,
        "%s: label smoothing must be between 0 and 1 (got %s)",
        NAME,
        labelSmoothing);
    classWeights = Arguments.list(classWeights, NAME, "class weights");
    classWeights.forEach(value -> Arguments.notNegative(value, NAME, "class weight"));
    check(
        classWeights.isEmpty() || classWeights.stream().anyMatch(value -> value > 0),
        "%s: class weights must not all be 0 (got %s)",
        NAME,
        classWeights);
    Arguments.notNull(schedule, NAME, "schedule");
  }

  /**
   * Creates the plain cross-entropy.
   *
   * @param weight its weight in the sum of losses, at least 0 and finite; 0 trains without labels
   * @return the cross-entropy
   * @throws IllegalArgumentException if the weight is out of range
   */
  public static CrossEntropy of(double weight) {
    return new CrossEntropy(weight, 0, List.of(), Schedule.constant());
  }

  /**
   * Sets the weight in the sum of losses.
   *
   * @param weight at least 0 and finite; 0 trains without labels
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public CrossEntropy withWeight(double weight) {
    return new CrossEntropy(weight, labelSmoothing, classWeights, schedule);
  }

  /**
   * Sets the label smoothing s; 0 by default.
   *
   * @param labelSmoothing between 0 and 1
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public CrossEntropy withLabelSmoothing(double labelSmoothing) {
    return new CrossEntropy(weight, labelSmoothing, classWeights, schedule);
  }

  /**
   * Sets the weights w of the classes; all 1 by default.
   *
   * @param classWeights one per class, at least 0 and finite, not all 0; none for the default
   * @return a changed copy
   * @throws IllegalArgumentException if the array is null or a weight is out of range
   */
  public CrossEntropy withClassWeights(double... classWeights) {
    Arguments.notNull(classWeights, NAME, "class weights");
    return new CrossEntropy(
        weight, labelSmoothing, DoubleStream.of(classWeights).boxed().toList(), schedule);
  }

  /**
   * Sets the schedule of the weight; constant by default.
   *
   * @param schedule the schedule
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public CrossEntropy withSchedule(Schedule schedule) {
    return new CrossEntropy(weight, labelSmoothing, classWeights, schedule);
  }

  /** Returns all options, but only the first of many class weights. */
  @Override
  public String toString() {
    return "CrossEntropy[weight="
        + weight
        + ", labelSmoothing="
        + labelSmoothing
        + ", classWeights="
        + Shown.list(classWeights, SHOWN)
        + ", schedule="
        + schedule
        + "]";
  }
}
