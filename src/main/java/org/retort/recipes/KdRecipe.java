package org.retort.recipes;

import org.retort.losses.KdLoss;

/** {@code temperature}, {@code target: logits | probabilities | standardised_logits}. */
final class KdRecipe {
  private KdRecipe() {}

  static LossRecipe read(Fields fields) {
    KdLoss loss =
        fields.choice(
            "target",
            fields.number("temperature", KdLoss::of),
            KdLoss.Target.class,
            KdLoss::withTarget);
    return context -> loss;
  }
}
