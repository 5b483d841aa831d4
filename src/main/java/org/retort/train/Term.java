package org.retort.train;

import org.retort.internal.Arguments;
import org.retort.losses.DistillationLoss;

/**
 * A distillation loss as one part of the sum that a stage minimises.
 *
 * @param weight at least 0 and finite
 * @param loss the loss
 * @param taps the features that it compares; none for a loss on logits
 * @param schedule what the weight is multiplied by
 */
public record Term(double weight, DistillationLoss loss, Taps taps, Schedule schedule) {
  private static final String NAME = "Term";

  /**
   * Makes a term.
   *
   * @param weight at least 0 and finite
   * @param loss the loss
   * @param taps the features that it compares; none for a loss on logits
   * @param schedule what the weight is multiplied by
   * @throws IllegalArgumentException if the weight is out of range or an argument is null
   */
  public Term {
    Arguments.notNegative(weight, NAME, "weight");
    Arguments.notNull(loss, NAME, "loss");
    Arguments.notNull(taps, NAME, "taps");
    Arguments.notNull(schedule, NAME, "schedule");
  }
}
