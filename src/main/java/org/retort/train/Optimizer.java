package org.retort.train;

import org.retort.bindings.NativeOptimizerOptions;

/** The optimizer of a training step: {@link Sgd} or {@link Adam}. Immutable. */
public sealed interface Optimizer permits Sgd, Adam {
  /**
   * The options as the native step takes them; for Retort's own use.
   *
   * @return a new native object, which the caller closes
   */
  NativeOptimizerOptions nativeOptions();
}
