package org.retort.recipes;

import org.retort.losses.DistillationLoss;

/** A loss with its options, except for what depends on the data and the teacher. */
interface LossRecipe {
  /** Creates the loss. */
  DistillationLoss loss(LossContext context);
}
