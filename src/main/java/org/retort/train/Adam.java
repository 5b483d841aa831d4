package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import org.retort.internal.Arguments;

/**
 * Adam as in {@code torch.optim.Adam} or, with {@linkplain #withDecoupled decoupled} weight decay,
 * AdamW as in {@code torch.optim.AdamW}. The t-th update of a parameter, at the rate {@code r =
 * learningRate · schedule(step)}, is
 *
 * <pre>{@code
 * g = gradient + (decoupled ? 0 : weightDecay · parameter)
 * m = β_1 · m + (1 − β_1) · g;  v = β_2 · v + (1 − β_2) · g²
 * parameter −= r · (decoupled ? weightDecay · parameter : 0)
 * parameter −= r · (m / (1 − β_1^t)) / (√(v / (1 − β_2^t)) + ε)
 * }</pre>
 *
 * <p>Sources: Kingma, Ba: Adam: A Method for Stochastic Optimization, ICLR 2015; Loshchilov,
 * Hutter: Decoupled Weight Decay Regularization, ICLR 2019.
 *
 * @param learningRate positive and finite
 * @param beta1 β_1, the decay rate of the running average of the gradient, at least 0 and below 1;
 *     0.9 by default
 * @param beta2 β_2, the decay rate of the running average of its square, at least 0 and below 1;
 *     0.999 by default
 * @param epsilon ε, added to the denominator for numerical stability, positive and finite; 1e-8 by
 *     default
 * @param weightDecay at least 0 and finite; 0 by default
 * @param decoupled whether the weight decay stays out of the running averages, as in AdamW; false
 *     by default
 * @param schedule multiplies the learning rate; constant by default
 * @param decayNormsAndBiases whether the weight decay also applies to parameters with fewer than
 *     two dimensions; true by default
 * @param groups parameters with their own learning rate or weight decay; none by default
 */
public record Adam(
    double learningRate,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    boolean decoupled,
    Schedule schedule,
    boolean decayNormsAndBiases,
    List<ParameterGroup> groups)
    implements Optimizer {
  private static final String NAME = "Adam";

  /**
   * Creates an optimizer.
   *
   * @param learningRate positive and finite
   * @param beta1 at least 0 and below 1
   * @param beta2 at least 0 and below 1
   * @param epsilon positive and finite
   * @param weightDecay at least 0 and finite
   * @param decoupled whether the weight decay is AdamW's
   * @param schedule multiplies the learning rate
   * @param decayNormsAndBiases whether parameters with fewer than two dimensions decay
   * @param groups parameters with their own learning rate or weight decay
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public Adam {
    Arguments.positive(learningRate, NAME, "learning rate");
    check(
        beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1,
        "%s: betas must be at least 0 and below 1 (got %s and %s)",
        NAME,
        beta1,
        beta2);
    Arguments.positive(epsilon, NAME, "epsilon");
    Arguments.notNegative(weightDecay, NAME, "weight decay");
    Arguments.notNull(schedule, NAME, "schedule");
    groups = Arguments.list(groups, NAME, "groups");
  }

  /**
   * Creates an Adam optimizer without weight decay, with a constant learning rate.
   *
   * @param learningRate positive and finite, for example 0.001
   * @return the optimizer
   * @throws IllegalArgumentException if the learning rate is out of range
   */
  public static Adam of(double learningRate) {
    return new Adam(learningRate, 0.9, 0.999, 1e-8, 0, false, Schedule.constant(), true, List.of());
  }

  /**
   * Sets the learning rate.
   *
   * @param learningRate positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Adam withLearningRate(double learningRate) {
    return new Adam(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        decoupled,
        schedule,
        decayNormsAndBiases,
        groups);
  }

  /**
   * Sets the schedule of the learning rate; constant by default.
   *
   * @param schedule the schedule
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Adam withSchedule(Schedule schedule) {
    return new Adam(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        decoupled,
        schedule,
        decayNormsAndBiases,
        groups);
  }

  /**
   * Sets whether the weight decay also applies to the parameters of BatchNorm and to biases, that
   * is, to parameters with fewer than two dimensions; true by default, as in PyTorch and the
   * papers.
   *
   * @param decayNormsAndBiases whether it applies to them
   * @return a changed copy
   */
  public Adam withDecayNormsAndBiases(boolean decayNormsAndBiases) {
    return new Adam(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        decoupled,
        schedule,
        decayNormsAndBiases,
        groups);
  }

  /**
   * Sets the groups of parameters with their own learning rate or weight decay; a parameter belongs
   * to the first group that names it. No groups by default.
   *
   * @param groups the groups
   * @return a changed copy
   * @throws IllegalArgumentException if the array or a group is null
   */
  public Adam withGroups(ParameterGroup... groups) {
    return new Adam(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        decoupled,
        schedule,
        decayNormsAndBiases,
        Arguments.list(groups, NAME, "groups"));
  }

  /**
   * Sets the decay rates of the running averages of the gradient and of its square; 0.9 and 0.999
   * by default.
   *
   * @param beta1 β_1, at least 0 and below 1
   * @param beta2 β_2, at least 0 and below 1
   * @return a changed copy
   * @throws IllegalArgumentException if one is out of range
   */
  public Adam withBetas(double beta1, double beta2) {
    return new Adam(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        decoupled,
        schedule,
        decayNormsAndBiases,
        groups);
  }

  /**
   * Sets the term added to the denominator for numerical stability; 1e-8 by default.
   *
   * @param epsilon ε, positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Adam withEpsilon(double epsilon) {
    return new Adam(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        decoupled,
        schedule,
        decayNormsAndBiases,
        groups);
  }

  /**
   * Sets the weight decay, which is added to the gradient, as in Adam, unless it is {@linkplain
   * #withDecoupled decoupled}; 0 by default.
   *
   * @param weightDecay at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Adam withWeightDecay(double weightDecay) {
    return new Adam(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        decoupled,
        schedule,
        decayNormsAndBiases,
        groups);
  }

  /**
   * Sets whether the weight decay stays out of the running averages, as in AdamW; false by default.
   *
   * @param decoupled whether it stays out of them
   * @return a changed copy
   */
  public Adam withDecoupled(boolean decoupled) {
    return new Adam(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        decoupled,
        schedule,
        decayNormsAndBiases,
        groups);
  }
}
