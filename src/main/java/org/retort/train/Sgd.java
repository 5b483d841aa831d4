package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.function.Consumer;
import org.retort.bindings.NativeOptimizerOptions;
import org.retort.bindings.NativeSgdOptions;
import org.retort.internal.Arguments;

/**
 * Stochastic gradient descent as in {@code torch.optim.SGD}, without dampening. Immutable: each
 * method returns a changed copy.
 *
 * <pre>{@code
 * g = gradient + weightDecay · parameter;  v = momentum · v + g
 * parameter −= learningRate · schedule(step) · (nesterov ? g + momentum · v : v)
 * }</pre>
 */
public final class Sgd extends CommonOptions<Sgd, NativeSgdOptions> implements Optimizer {
  private Sgd(Consumer<NativeSgdOptions> settings) {
    super(settings);
  }

  /**
   * SGD without momentum and weight decay, at a constant learning rate.
   *
   * @param learningRate positive and finite
   * @return the optimizer
   * @throws IllegalArgumentException if the learning rate is out of range
   */
  public static Sgd learningRate(double learningRate) {
    Arguments.positive(learningRate, "Sgd.learningRate", "learning rate");
    return new Sgd(options -> options.learning_rate(learningRate));
  }

  /**
   * Sets the momentum; 0 by default.
   *
   * @param momentum at least 0 and below 1
   * @return a changed copy
   * @throws IllegalArgumentException if the momentum is out of range
   */
  public Sgd momentum(double momentum) {
    check(
        momentum >= 0 && momentum < 1,
        "Sgd.momentum: momentum must be at least 0 and below 1 (got %s)",
        momentum);
    return with(options -> options.momentum(momentum));
  }

  /**
   * Enables Nesterov momentum; the momentum must be positive.
   *
   * @return a changed copy
   */
  public Sgd nesterov() {
    return with(options -> options.nesterov(true));
  }

  /**
   * Sets the weight decay; 0 by default.
   *
   * @param weightDecay at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the weight decay is out of range
   */
  public Sgd weightDecay(double weightDecay) {
    Arguments.notNegative(weightDecay, "Sgd.weightDecay", "weight decay");
    return with(options -> options.weight_decay(weightDecay));
  }

  @Override
  public NativeOptimizerOptions nativeOptions() {
    return writeTo(new NativeSgdOptions());
  }

  @Override
  Sgd copy(Consumer<NativeSgdOptions> settings) {
    return new Sgd(settings);
  }
}
