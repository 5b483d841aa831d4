package org.retort.recipes;

import org.retort.losses.NstLoss;

/**
 * {@code kernel: linear | polynomial | gaussian}, polynomial by default, {@code degree}, {@code
 * offset}, {@code variance}, {@code teacher_term: true | false}, {@code dead_channel_norm}.
 */
final class NstRecipe {
  private NstRecipe() {}

  static LossRecipe read(Fields fields) {
    NstLoss loss =
        switch (fields.choice("kernel", NstLoss.Kernel.class, NstLoss.Kernel.POLYNOMIAL)) {
          case LINEAR -> NstLoss.linear();
          case POLYNOMIAL -> NstLoss.polynomial();
          case GAUSSIAN -> NstLoss.gaussian();
        };
    loss = fields.whole("degree", loss, NstLoss::withDegree);
    loss = fields.number("offset", loss, NstLoss::withOffset);
    loss = fields.number("variance", loss, NstLoss::withVariance);
    loss = fields.number("dead_channel_norm", loss, NstLoss::withDeadChannelNorm);
    NstLoss read = loss.withTeacherTerm(fields.flag("teacher_term", true));
    return context -> read;
  }
}
