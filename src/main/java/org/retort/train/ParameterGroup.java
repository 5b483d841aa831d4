package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import org.retort.internal.Arguments;

/**
 * Parameters with their own learning rate or weight decay.
 *
 * @param names names of parameters, or of modules for everything they contain, as in {@link
 *     TrainingStep#state()}: {@code student.fc}, {@code student.layer1.0.conv1.weight}, {@code
 *     terms.2}; at least one
 * @param learningRateFactor multiplies the learning rate, at least 0 and finite; 1 by default
 * @param weightDecayFactor multiplies the weight decay, at least 0 and finite; 1 by default
 */
public record ParameterGroup(
    List<String> names, double learningRateFactor, double weightDecayFactor) {
  private static final String NAME = "ParameterGroup";

  /**
   * Creates a group.
   *
   * @param names at least one
   * @param learningRateFactor at least 0 and finite
   * @param weightDecayFactor at least 0 and finite
   * @throws IllegalArgumentException if there is no name, one is null, or a factor is out of range
   */
  public ParameterGroup {
    names = Arguments.list(names, NAME, "names");
    check(!names.isEmpty(), "%s: names must be at least one (got none)", NAME);
    Arguments.notNegative(learningRateFactor, NAME, "learning rate factor");
    Arguments.notNegative(weightDecayFactor, NAME, "weight decay factor");
  }

  /**
   * Creates a group that is trained like the other parameters.
   *
   * @param names names of parameters or modules, at least one
   * @return the group
   * @throws IllegalArgumentException if there is no name or one is null
   */
  public static ParameterGroup of(String... names) {
    return new ParameterGroup(Arguments.list(names, NAME, "names"), 1, 1);
  }

  /**
   * Sets the factor that multiplies the learning rate; 1 by default.
   *
   * @param learningRateFactor at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the factor is out of range
   */
  public ParameterGroup withLearningRateFactor(double learningRateFactor) {
    return new ParameterGroup(names, learningRateFactor, weightDecayFactor);
  }

  /**
   * Sets the factor that multiplies the weight decay; 1 by default.
   *
   * @param weightDecayFactor at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the factor is out of range
   */
  public ParameterGroup withWeightDecayFactor(double weightDecayFactor) {
    return new ParameterGroup(names, learningRateFactor, weightDecayFactor);
  }
}
