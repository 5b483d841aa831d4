package org.retort.train;

/** The mean of several teachers' logits, weighted by {@link Teacher#weight}. */
public enum TeacherMean {
  /** The mean of the logits. */
  LOGITS,
  /**
   * The mean of the probabilities at the temperature T of the loss, softmax(logits / T). For losses
   * that use the teacher's logits only softened by the temperature: {@link
   * org.retort.losses.KdLoss} with its default target and {@link org.retort.losses.DkdLoss}, unless
   * it standardises them.
   */
  PROBABILITIES
}
