package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import org.retort.internal.Arguments;

/**
 * Stochastic gradient descent as in {@code torch.optim.SGD}, without dampening.
 *
 * <pre>{@code
 * g = gradient + weightDecay · parameter;  v = momentum · v + g
 * parameter −= learningRate · schedule(step) · (nesterov ? g + momentum · v : v)
 * }</pre>
 *
 * @param learningRate positive and finite
 * @param momentum at least 0 and below 1; 0 by default
 * @param nesterov whether to use Nesterov momentum, which requires a positive momentum; false by
 *     default
 * @param weightDecay at least 0 and finite; 0 by default
 * @param schedule multiplies the learning rate; constant by default
 * @param decayNormsAndBiases whether the weight decay also applies to parameters with fewer than
 *     two dimensions; true by default
 * @param groups parameters with their own learning rate or weight decay; none by default
 */
public record Sgd(
    double learningRate,
    double momentum,
    boolean nesterov,
    double weightDecay,
    Schedule schedule,
    boolean decayNormsAndBiases,
    List<ParameterGroup> groups)
    implements Optimizer {
  private static final String NAME = "Sgd";

  /**
   * Creates an optimizer.
   *
   * @param learningRate positive and finite
   * @param momentum at least 0 and below 1
   * @param nesterov whether to use Nesterov momentum
   * @param weightDecay at least 0 and finite
   * @param schedule multiplies the learning rate
   * @param decayNormsAndBiases whether parameters with fewer than two dimensions decay
   * @param groups parameters with their own learning rate or weight decay
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public Sgd {
    Arguments.positive(learningRate, NAME, "learning rate");
    check(
        momentum >= 0 && momentum < 1,
        "%s: momentum must be at least 0 and below 1 (got %s)",
        NAME,
        momentum);
    Arguments.notNegative(weightDecay, NAME, "weight decay");
    Arguments.notNull(schedule, NAME, "schedule");
    groups = Arguments.list(groups, NAME, "groups");
  }

  /**
   * Creates an SGD optimizer without momentum or weight decay, with a constant learning rate.
   *
   * @param learningRate positive and finite
   * @return the optimizer
   * @throws IllegalArgumentException if the learning rate is out of range
   */
  public static Sgd of(double learningRate) {
    return new Sgd(learningRate, 0, false, 0, Schedule.constant(), true, List.of());
  }

  /**
   * Sets the learning rate.
   *
   * @param learningRate positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Sgd withLearningRate(double learningRate) {
    return new Sgd(
        learningRate, momentum, nesterov, weightDecay, schedule, decayNormsAndBiases, groups);
  }

  /**
   * Sets the schedule of the learning rate; constant by default.
   *
   * @param schedule the schedule
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Sgd withSchedule(Schedule schedule) {
    return new Sgd(
        learningRate, momentum, nesterov, weightDecay, schedule, decayNormsAndBiases, groups);
  }

  /**
   * Sets whether the weight decay also applies to the parameters of BatchNorm and to biases, that
   * is, to parameters with fewer than two dimensions; true by default, as in PyTorch and the
   * papers.
   *
   * @param decayNormsAndBiases whether it applies to them
   * @return a changed copy
   */
  public Sgd withDecayNormsAndBiases(boolean decayNormsAndBiases) {
    return new Sgd(
        learningRate, momentum, nesterov, weightDecay, schedule, decayNormsAndBiases, groups);
  }

  /**
   * Sets the groups of parameters with their own learning rate or weight decay; a parameter belongs
   * to the first group that names it. No groups by default.
   *
   * @param groups the groups
   * @return a changed copy
   * @throws IllegalArgumentException if the array or a group is null
   */
  public Sgd withGroups(ParameterGroup... groups) {
    return new Sgd(
        learningRate,
        momentum,
        nesterov,
        weightDecay,
        schedule,
        decayNormsAndBiases,
        Arguments.list(groups, NAME, "groups"));
  }

  /**
   * Sets the momentum; 0 by default.
   *
   * @param momentum at least 0 and below 1
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Sgd withMomentum(double momentum) {
    return new Sgd(
        learningRate, momentum, nesterov, weightDecay, schedule, decayNormsAndBiases, groups);
  }

  /**
   * Sets whether to use Nesterov momentum; false by default.
   *
   * @param nesterov whether to use it; if so, the momentum must be positive when a step is built
   * @return a changed copy
   */
  public Sgd withNesterov(boolean nesterov) {
    return new Sgd(
        learningRate, momentum, nesterov, weightDecay, schedule, decayNormsAndBiases, groups);
  }

  /**
   * Sets the weight decay; 0 by default.
   *
   * @param weightDecay at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Sgd withWeightDecay(double weightDecay) {
    return new Sgd(
        learningRate, momentum, nesterov, weightDecay, schedule, decayNormsAndBiases, groups);
  }
}
