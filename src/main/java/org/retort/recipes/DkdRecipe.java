package org.retort.recipes;

import org.retort.losses.DkdLoss;

/** {@code temperature}, {@code alpha}, {@code beta}, {@code standardise: true | false}. */
final class DkdRecipe {
  private DkdRecipe() {}

  static LossRecipe read(Fields fields) {
    DkdLoss loss = fields.number("temperature", DkdLoss::of);
    loss = fields.number("alpha", loss, DkdLoss::withAlpha);
    loss = fields.number("beta", loss, DkdLoss::withBeta);
    DkdLoss read = loss.withStandardise(fields.flag("standardise", false));
    return context -> read;
  }
}
