package org.retort.train;

import java.util.List;

/** The optimizer of a training step, as a set of options: {@link Sgd} or {@link Adam}. */
public sealed interface Optimizer permits Sgd, Adam {
  /**
   * Returns the learning rate before its schedule is applied.
   *
   * @return positive and finite
   */
  double learningRate();

  /**
   * Returns the schedule that multiplies the learning rate.
   *
   * @return the schedule
   */
  Schedule schedule();

  /**
   * Returns the weight decay.
   *
   * @return at least 0 and finite
   */
  double weightDecay();

  /**
   * Returns whether the weight decay also applies to BatchNorm and biases, that is, to parameters
   * with fewer than two dimensions.
   *
   * @return true by default, as in PyTorch and the papers
   */
  boolean decayNormsAndBiases();

  /**
   * Returns the groups of parameters with their own learning rate or weight decay; a parameter
   * belongs to the first group that names it.
   *
   * @return the groups, immutable
   */
  List<ParameterGroup> groups();
}
