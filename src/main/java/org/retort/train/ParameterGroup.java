package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.function.Consumer;
import org.retort.bindings.NativeParameterGroup;
import org.retort.internal.Arguments;
import org.retort.internal.StringLists;

/** Parameters with a learning rate or weight decay of their own. Immutable. */
public final class ParameterGroup {
  private final Consumer<NativeParameterGroup> settings;

  private ParameterGroup(Consumer<NativeParameterGroup> settings) {
    this.settings = settings;
  }

  /**
   * A group that is trained like the other parameters.
   *
   * @param names names of parameters, or of modules for all that they contain, as in {@link
   *     TrainingStep#state()}: {@code student.fc}, {@code student.layer1.0.conv1.weight}, {@code
   *     terms.2}
   * @return the group
   * @throws IllegalArgumentException if there is no name or one is null
   */
  public static ParameterGroup of(String... names) {
    List<String> parts = Arguments.list(names, "ParameterGroup.of", "names");
    check(!parts.isEmpty(), "ParameterGroup.of: names must be at least one (got none)");
    return new ParameterGroup(group -> StringLists.give(parts, group::names));
  }

  /**
   * Multiplies the learning rate; 1 by default.
   *
   * @param factor at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the factor is out of range
   */
  public ParameterGroup learningRateFactor(double factor) {
    Arguments.notNegative(factor, "ParameterGroup.learningRateFactor", "factor");
    return new ParameterGroup(settings.andThen(group -> group.learning_rate_factor(factor)));
  }

  /**
   * Multiplies the weight decay; 1 by default.
   *
   * @param factor at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the factor is out of range
   */
  public ParameterGroup weightDecayFactor(double factor) {
    Arguments.notNegative(factor, "ParameterGroup.weightDecayFactor", "factor");
    return new ParameterGroup(settings.andThen(group -> group.weight_decay_factor(factor)));
  }

  void writeTo(NativeParameterGroup group) {
    settings.accept(group);
  }
}
