package org.retort.train;

import java.util.List;
import java.util.function.Consumer;
import org.retort.bindings.NativeOptimizerOptions;
import org.retort.bindings.NativeParameterGroupVector;
import org.retort.internal.Arguments;

/**
 * The options that all optimizers have.
 *
 * @param <O> the optimizer
 * @param <N> its native options
 */
abstract sealed class CommonOptions<O, N extends NativeOptimizerOptions> permits Sgd, Adam {
  private final Consumer<N> settings;

  CommonOptions(Consumer<N> settings) {
    this.settings = settings;
  }

  /** Makes an optimizer of the same class. */
  abstract O copy(Consumer<N> settings);

  final O with(Consumer<? super N> setting) {
    return copy(settings.andThen(setting));
  }

  final N writeTo(N options) {
    settings.accept(options);
    return options;
  }

  /**
   * Sets the schedule of the learning rate; constant by default.
   *
   * @param schedule the schedule
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public final O schedule(Schedule schedule) {
    Arguments.notNull(schedule, function("schedule"), "schedule");
    return with(options -> schedule.giveTo(options::schedule));
  }

  /**
   * Excludes the parameters of BatchNorm and biases, that is, parameters with fewer than two
   * dimensions, from weight decay. PyTorch and the papers decay everything, which is the default.
   *
   * @return a changed copy
   */
  public final O withoutDecayOfNormsAndBiases() {
    return with(options -> options.decay_norms_and_biases(false));
  }

  /**
   * Adds groups of parameters with a learning rate or weight decay of their own; a parameter
   * belongs to the first group that names it.
   *
   * @param groups the groups
   * @return a changed copy
   * @throws IllegalArgumentException if the array or a group is null
   */
  public final O group(ParameterGroup... groups) {
    List<ParameterGroup> added = Arguments.list(groups, function("group"), "groups");
    return with(
        options -> {
          NativeParameterGroupVector all = options.groups();
          for (ParameterGroup group : added) {
            all.resize(all.size() + 1);
            group.writeTo(all.get(all.size() - 1));
          }
        });
  }

  private String function(String method) {
    return getClass().getSimpleName() + "." + method;
  }
}
