package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.LongVector;
import org.retort.bindings.NativeSchedule;
import org.retort.bindings.NativeSgdOptions;
import org.retort.internal.Arguments;

/**
 * Stochastic gradient descent as {@code torch.optim.SGD} does it, with a multi-step schedule.
 * Immutable: each method returns a changed copy.
 *
 * <pre>{@code
 * g = gradient + weightDecay · parameter;  v = momentum · v + g;  parameter −= learningRate(step) · v
 * }</pre>
 */
public final class Sgd {
  private final double learningRate;
  private final double momentum;
  private final double weightDecay;
  private final double milestoneFactor;
  private final long[] milestones;

  private Sgd(
      double learningRate,
      double momentum,
      double weightDecay,
      double milestoneFactor,
      long... milestones) {
    this.learningRate = learningRate;
    this.momentum = momentum;
    this.weightDecay = weightDecay;
    this.milestoneFactor = milestoneFactor;
    this.milestones = milestones;
  }

  /**
   * SGD without momentum and weight decay, at a constant learning rate.
   *
   * @param learningRate positive and finite
   * @return the optimizer
   * @throws IllegalArgumentException if the learning rate is out of range
   */
  public static Sgd learningRate(double learningRate) {
    check(
        learningRate > 0 && Double.isFinite(learningRate),
        "Sgd.learningRate: learning rate must be positive and finite (got %s)",
        learningRate);
    return new Sgd(learningRate, 0, 0, 1);
  }

  /**
   * Sets the momentum; 0 by default.
   *
   * @param momentum at least 0 and below 1
   * @return the optimizer
   * @throws IllegalArgumentException if the momentum is out of range
   */
  public Sgd momentum(double momentum) {
    check(
        momentum >= 0 && momentum < 1,
        "Sgd.momentum: momentum must be at least 0 and below 1 (got %s)",
        momentum);
    return new Sgd(learningRate, momentum, weightDecay, milestoneFactor, milestones);
  }

  /**
   * Sets the weight decay of every trained parameter; 0 by default.
   *
   * @param weightDecay at least 0 and finite
   * @return the optimizer
   * @throws IllegalArgumentException if the weight decay is out of range
   */
  public Sgd weightDecay(double weightDecay) {
    check(
        weightDecay >= 0 && Double.isFinite(weightDecay),
        "Sgd.weightDecay: weight decay must be at least 0 and finite (got %s)",
        weightDecay);
    return new Sgd(learningRate, momentum, weightDecay, milestoneFactor, milestones);
  }

  /**
   * Multiplies the learning rate by a factor whenever a number of completed steps is reached; never
   * by default.
   *
   * @param factor positive and finite, for example 0.1
   * @param steps numbers of steps, positive and ascending
   * @return the optimizer
   * @throws IllegalArgumentException if the factor or the steps are out of range
   */
  public Sgd milestones(double factor, long... steps) {
    Arguments.notNull(steps, "Sgd.milestones", "steps");
    check(
        factor > 0 && Double.isFinite(factor),
        "Sgd.milestones: factor must be positive and finite (got %s)",
        factor);
    check(
        IntStream.range(0, steps.length).allMatch(i -> steps[i] > (i == 0 ? 0 : steps[i - 1] - 1)),
        "Sgd.milestones: steps must be positive and ascending (got %s)",
        Arrays.toString(steps));
    return new Sgd(learningRate, momentum, weightDecay, factor, steps.clone());
  }

  NativeSgdOptions nativeOptions() {
    try (LongVector steps = new LongVector(milestones);
        NativeSchedule schedule = NativeSchedule.at_milestones(steps, milestoneFactor)) {
      NativeSgdOptions options = new NativeSgdOptions().momentum(momentum);
      options.learning_rate(learningRate).schedule(schedule).weight_decay(weightDecay);
      return options;
    }
  }
}
