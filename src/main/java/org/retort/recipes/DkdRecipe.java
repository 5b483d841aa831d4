package org.retort.recipes;

import org.retort.losses.DkdLoss;

/** {@code temperature}, {@code alpha}, {@code beta}, {@code standardise: true | false}. */
final class DkdRecipe {
  private DkdRecipe() {}

  static LossRecipe read(Fields fields) {
    DkdLoss loss = fields.number("temperature", DkdLoss::withTemperature);
    loss = fields.number("alpha", loss, DkdLoss::alpha);
    loss = fields.number("beta", loss, DkdLoss::beta);
    DkdLoss read = fields.flag("standardise", loss, changed -> changed.standardise(true));
    return context -> read;
  }
}
