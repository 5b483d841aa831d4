package org.retort.train;

import static org.retort.internal.Arguments.check;

/**
 * The numbers of one training step. Made by {@link TrainingStep#newResult()} and overwritten by
 * every step that succeeds, so that a training loop allocates nothing. Not safe for use by several
 * threads at once.
 */
public final class StepResult {
  // The order of retort_jni::StepValue.
  private static final int TOTAL = 0;
  private static final int CROSS_ENTROPY = 1;
  private static final int CORRECT = 2;
  private static final int LABELED = 3;
  private static final int GRADIENT_NORM = 4;
  private static final int LEARNING_RATE = 5;
  private static final int UPDATED = 6;
  private static final int SKIPPED = 7;
  private static final int STAGE = 8;
  private static final int STUDENT_FORMAT = 9;
  private static final int TEACHER_FORMAT = 10;
  private static final int NANOSECONDS = 11;
  private static final int TERMS = 12;
  private static final int FIRST_TERM = 13;

  private final double[] values;

  StepResult(int terms) {
    values = new double[FIRST_TERM + terms];
  }

  /**
   * The weighted sum of all parts of the loss.
   *
   * @return the sum
   */
  public double total() {
    return values[TOTAL];
  }

  /**
   * The mean cross-entropy of the labelled samples.
   *
   * @return the value before its weight; 0 if no sample has a label or its weight is 0
   */
  public double crossEntropy() {
    return values[CROSS_ENTROPY];
  }

  /**
   * The number of distillation terms.
   *
   * @return how many values {@link #term} has
   */
  public int terms() {
    return values.length - FIRST_TERM;
  }

  /**
   * The value of a distillation term.
   *
   * @param index its place in the order of {@link TrainingStep.Builder#add}, from 0
   * @return the value before its weight
   * @throws IllegalArgumentException if there is no such term
   */
  public double term(int index) {
    check(
        index >= 0 && index < terms(),
        "StepResult.term: index must be at least 0 and below %s (got %s)",
        terms(),
        index);
    return values[FIRST_TERM + index];
  }

  /**
   * The number of labelled samples whose label the student's logits predicted in this step.
   *
   * @return a count
   */
  public long correct() {
    return (long) values[CORRECT];
  }

  /**
   * The number of labelled samples.
   *
   * @return a count
   */
  public long labeled() {
    return (long) values[LABELED];
  }

  /**
   * The learning rate that this step used.
   *
   * @return the rate
   */
  public double learningRate() {
    return values[LEARNING_RATE];
  }

  double[] values() {
    return values;
  }
}
