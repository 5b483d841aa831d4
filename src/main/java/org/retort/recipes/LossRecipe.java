package org.retort.recipes;

import org.retort.losses.DistillationLoss;

/** A loss with its options, but for what depends on the data and the teacher. */
interface LossRecipe {
  /** Makes the loss. */
  DistillationLoss loss(LossContext context);
}
