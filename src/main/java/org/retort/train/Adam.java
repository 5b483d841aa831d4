package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.function.Consumer;
import org.retort.bindings.NativeAdamOptions;
import org.retort.bindings.NativeOptimizerOptions;
import org.retort.internal.Arguments;

/**
 * Adam as in {@code torch.optim.Adam} or, with {@link #decoupledWeightDecay}, AdamW as in {@code
 * torch.optim.AdamW}. Immutable: each method returns a changed copy. The t-th update of a
 * parameter, at the rate {@code r = learningRate · schedule(step)}, is
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
 */
public final class Adam extends CommonOptions<Adam, NativeAdamOptions> implements Optimizer {
  private Adam(Consumer<NativeAdamOptions> settings) {
    super(settings);
  }

  /**
   * Adam without weight decay, at a constant learning rate.
   *
   * @param learningRate positive and finite, for example 0.001
   * @return the optimizer
   * @throws IllegalArgumentException if the learning rate is out of range
   */
  public static Adam learningRate(double learningRate) {
    Arguments.positive(learningRate, "Adam.learningRate", "learning rate");
    return new Adam(options -> options.learning_rate(learningRate));
  }

  /**
   * Sets the decay rates of the running averages of the gradient and of its square; 0.9 and 0.999
   * by default.
   *
   * @param ofGradient β_1, at least 0 and below 1
   * @param ofSquare β_2, at least 0 and below 1
   * @return a changed copy
   * @throws IllegalArgumentException if one is out of range
   */
  public Adam betas(double ofGradient, double ofSquare) {
    check(
        ofGradient >= 0 && ofGradient < 1 && ofSquare >= 0 && ofSquare < 1,
        "Adam.betas: betas must be at least 0 and below 1 (got %s and %s)",
        ofGradient,
        ofSquare);
    return with(options -> options.beta1(ofGradient).beta2(ofSquare));
  }

  /**
   * Sets the term that is added to the denominator for numerical stability; 1e-8 by default.
   *
   * @param epsilon ε, positive and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Adam epsilon(double epsilon) {
    Arguments.positive(epsilon, "Adam.epsilon", "epsilon");
    return with(options -> options.epsilon(epsilon));
  }

  /**
   * Sets a weight decay that is added to the gradient, as in Adam; 0 by default.
   *
   * @param weightDecay at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the weight decay is out of range
   */
  public Adam weightDecay(double weightDecay) {
    return weightDecay(weightDecay, false, "Adam.weightDecay");
  }

  /**
   * Sets a weight decay that does not enter the running averages, as in AdamW.
   *
   * @param weightDecay at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if the weight decay is out of range
   */
  public Adam decoupledWeightDecay(double weightDecay) {
    return weightDecay(weightDecay, true, "Adam.decoupledWeightDecay");
  }

  private Adam weightDecay(double weightDecay, boolean decoupled, String function) {
    Arguments.notNegative(weightDecay, function, "weight decay");
    return with(options -> options.decoupled(decoupled).weight_decay(weightDecay));
  }

  @Override
  public NativeOptimizerOptions nativeOptions() {
    return writeTo(new NativeAdamOptions());
  }

  @Override
  Adam copy(Consumer<NativeAdamOptions> settings) {
    return new Adam(settings);
  }
}
