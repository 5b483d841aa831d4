package org.retort.recipes;

import java.util.ArrayList;
import java.util.List;
import org.retort.losses.FspLoss;

/**
 * {@code pairs: [[0, 1], …]} of the taps, consecutive ones by default, {@code pooling: average |
 * max}, {@code reduction: mean | paper | torchdistill}, {@code adapt_channels: true | false}.
 */
final class FspRecipe {
  private FspRecipe() {}

  static LossRecipe read(Fields fields) {
    FspLoss loss = fields.has("pairs") ? FspLoss.ofPairs(pairs(fields)) : FspLoss.consecutive();
    loss = fields.choice("pooling", loss, FspLoss.Pooling.class, FspLoss::withPooling);
    loss = fields.choice("reduction", loss, FspLoss.Reduction.class, FspLoss::withReduction);
    FspLoss read = loss.withAdaptChannels(fields.flag("adapt_channels", false));
    return context -> read;
  }

  private static FspLoss.Pair[] pairs(Fields fields) {
    List<FspLoss.Pair> pairs = new ArrayList<>();
    for (int[] places : fields.wholeLists("pairs")) {
      if (places.length != 2) {
        throw fields.wrong("pairs", "be lists of two places", places.length);
      }
      pairs.add(new FspLoss.Pair(places[0], places[1]));
    }
    return pairs.toArray(FspLoss.Pair[]::new);
  }
}
