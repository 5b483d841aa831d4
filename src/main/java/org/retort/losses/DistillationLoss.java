package org.retort.losses;

import org.retort.bindings.NativeCriterionOptions;

/** A loss that a {@link org.retort.train.TrainingStep} can add to its sum. Immutable. */
public sealed interface DistillationLoss
    permits KdLoss, DkdLoss, FspLoss, NstLoss, CrdLoss, OfdLoss {
  /**
   * The options as the native step takes them; for Retort's own use.
   *
   * @return a new native object, which the caller closes
   */
  NativeCriterionOptions nativeOptions();
}
