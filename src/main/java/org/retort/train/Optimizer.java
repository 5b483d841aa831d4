package org.retort.train;

import java.util.List;

/** The optimizer of a training step, a value of options: {@link Sgd} or {@link Adam}. */
public sealed interface Optimizer permits Sgd, Adam {
  /**
   * The learning rate before its schedule.
   *
   * @return positive and finite
   */
  double learningRate();

  /**
   * What the learning rate is multiplied by.
   *
   * @return the schedule
   */
  Schedule schedule();

  /**
   * The weight decay.
   *
   * @return at least 0 and finite
   */
  double weightDecay();

  /**
   * Whether the weight decay also applies to BatchNorm and biases, that is, to parameters with
   * fewer than two dimensions.
   *
   * @return true by default, as in PyTorch and the papers
   */
  boolean decayNormsAndBiases();

  /**
   * Parameters with a learning rate or weight decay of their own; a parameter belongs to the first
   * group that names it.
   *
   * @return the groups, immutable
   */
  List<ParameterGroup> groups();
}
