package org.retort.train;

import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;
import org.retort.RankException;
import org.retort.distributed.Ranks;

/**
 * A trainer's coordination with those on the other ranks of its step: rank 0 decides and tells the
 * others. Allocates nothing if there is one rank.
 */
final class TrainerRanks {
  private final TrainingStep step;
  private final @Nullable Ranks ranks; // null if there is only one
  private boolean hasFailed;

  TrainerRanks(TrainingStep step) {
    this.step = step;
    ranks = step.ranks().filter(all -> all.size() > 1).orElse(null);
  }

  /** Returns whether this rank evaluates, writes and logs for all. */
  boolean isFirst() {
    return ranks == null || ranks.isFirst();
  }

  /** Returns whether there are other ranks. */
  boolean areSeveral() {
    return ranks != null;
  }

  /** Returns whether a condition holds on any rank. */
  boolean any(boolean mine) {
    return ranks == null ? mine : ranks.any(mine);
  }

  /** Returns whether a condition holds on rank 0. */
  boolean isOnFirst(boolean mine) {
    return any(isFirst() && mine);
  }

  /** Returns the score of rank 0, the only rank on which it is computed. */
  double ofFirst(DoubleSupplier score) {
    if (ranks == null) {
      return score.getAsDouble();
    }
    String text = isFirst() ? Double.toString(score.getAsDouble()) : "";
    return Double.parseDouble(ranks.ofFirst(text));
  }

  /** Waits for the others. */
  void meet() {
    any(false);
  }

  /**
   * Requires options to be the same on all ranks.
   *
   * @param options texts {@code name=value}, with the same names on all ranks
   */
  void requireSame(String... options) {
    if (ranks == null) {
      return;
    }
    String[] first = ranks.ofFirst(String.join("\n", options)).split("\n", -1);
    for (int i = 0; i < options.length; i++) {
      if (!options[i].equals(first[i])) {
        String[] own = options[i].split("=", 2);
        throw new RankException(
            "Trainer.run: "
                + own[0]
                + " must be the same on all ranks (got "
                + first[i].substring(own[0].length() + 1)
                + " on rank 0 and "
                + own[1]
                + " on rank "
                + ranks.rank()
                + ")",
            null);
      }
    }
  }

  /** Tells the others, once, that the training has failed here; they may already know. */
  void fail(Throwable failure) {
    if (ranks == null || hasFailed) {
      return;
    }
    hasFailed = true;
    String reason = failure.toString().lines().findFirst().orElse("");
    tell(() -> step.fail(reason), failure); // where they may wait, too
    tell(() -> ranks.fail(reason), failure);
  }

  private static void tell(Runnable call, Throwable failure) {
    try {
      call.run();
    } catch (RuntimeException | Error another) {
      Listeners.addSuppressed(failure, another);
    }
  }
}
