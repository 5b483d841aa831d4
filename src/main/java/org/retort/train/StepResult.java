package org.retort.train;

import static org.retort.internal.Arguments.check;

import org.retort.internal.Arguments;

/**
 * The results of one training step; with several ranks, those of the whole batch, the same on all
 * ranks except for formats and durations. Created by {@link TrainingStep#newResult()} and
 * overwritten by every step that succeeds, so that a training loop allocates nothing. Not
 * thread-safe.
 */
public final class StepResult {
  // The order of retort_jni::StepValue.
  private static final int TOTAL = 0;
  private static final int CROSS_ENTROPY = 1;
  private static final int CORRECT = 2;
  private static final int LABELED = 3;
  private static final int SAMPLES = 4;
  private static final int GRADIENT_NORM = 5;
  private static final int LEARNING_RATE = 6;
  private static final int UPDATED = 7;
  private static final int SKIPPED = 8;
  private static final int GRAPH = 9;
  private static final int STAGE = 10;
  private static final int STUDENT_CHANNELS_LAST = 11;
  private static final int TEACHERS_CHANNELS_LAST = 12; // one bit per teacher
  static final int NANOSECONDS = 13;
  private static final int WAITING_NANOSECONDS = 14;
  private static final int TERMS = 15;
  private static final int FIRST_TERM = 16;

  private static final int MOST_TEACHERS = 52;

  private final double[] values;

  StepResult(int terms) {
    values = new double[FIRST_TERM + terms];
  }

  /**
   * Returns the weighted sum of all parts of the loss.
   *
   * @return the sum
   */
  public double total() {
    return values[TOTAL];
  }

  /**
   * Returns the cross-entropy of the labelled samples.
   *
   * @return the value before weighting; 0 if no labelled sample has a positive weight, or if the
   *     weight of the cross-entropy is 0
   */
  public double crossEntropy() {
    return values[CROSS_ENTROPY];
  }

  /**
   * Returns the number of distillation terms of the stage; fewer if the step was skipped.
   *
   * @return the number of values that {@link #term} has; 0 before the first step
   */
  public int terms() {
    return (int) values[TERMS];
  }

  /**
   * Returns the value of a distillation term.
   *
   * @param index its position in the order of {@link TrainingStepBuilder#add} in the stage, from 0
   * @return the value before weighting
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
   * Returns the number of labelled samples whose label the student's logits predicted in this step.
   *
   * @return a count
   */
  public long correct() {
    return (long) values[CORRECT];
  }

  /**
   * Returns the number of labelled samples.
   *
   * @return a count
   */
  public long labeled() {
    return (long) values[LABELED];
  }

  /**
   * Returns the number of samples, labelled or not.
   *
   * @return a count; 0 if there is no result, such as before the first step
   */
  public long samples() {
    return (long) values[SAMPLES];
  }

  /**
   * Returns the norm of all gradients together, before clipping; of those accumulated so far, if
   * there are several batches per update.
   *
   * @return the norm
   */
  public double gradientNorm() {
    return values[GRADIENT_NORM];
  }

  /**
   * Returns the learning rate of the update that this batch belongs to.
   *
   * @return the rate
   */
  public double learningRate() {
    return values[LEARNING_RATE];
  }

  /**
   * Returns whether the parameters were updated.
   *
   * @return false for the first batches of an accumulation, and if the batch was skipped
   */
  public boolean updated() {
    return values[UPDATED] != 0;
  }

  /**
   * Returns whether the batch was skipped because its loss or gradient was not finite.
   *
   * @return true only with {@link TrainingStepBuilder#skipNonFinite()}, or for a gradient that
   *     overflows in {@link Precision#FLOAT16}; a skipped batch changes nothing, and the values are
   *     those computed up to that point
   */
  public boolean skipped() {
    return values[SKIPPED] != 0;
  }

  /**
   * Returns whether a CUDA graph ran the step.
   *
   * @return true only with {@link TrainingStepBuilder#cudaGraph}
   */
  public boolean graph() {
    return values[GRAPH] != 0;
  }

  /**
   * Returns the stage that the batch belonged to.
   *
   * @return its number, from 0
   */
  public int stage() {
    return (int) values[STAGE];
  }

  /**
   * Returns the memory format of the student's feature maps in this step.
   *
   * @return {@link MemoryFormat#CONTIGUOUS} or {@link MemoryFormat#CHANNELS_LAST}
   */
  public MemoryFormat studentFormat() {
    return format(values[STUDENT_CHANNELS_LAST] != 0);
  }

  /**
   * Returns the memory format of the first teacher's feature maps in this step.
   *
   * @return {@link MemoryFormat#CONTIGUOUS} or {@link MemoryFormat#CHANNELS_LAST}
   */
  public MemoryFormat teacherFormat() {
    return teacherFormat(0);
  }

  /**
   * Returns the memory format of a teacher's feature maps in this step.
   *
   * @param teacher its position among the teachers of the step, from 0, below 52
   * @return {@link MemoryFormat#CONTIGUOUS} or {@link MemoryFormat#CHANNELS_LAST}
   * @throws IllegalArgumentException if the position is out of range
   */
  public MemoryFormat teacherFormat(int teacher) {
    Arguments.between(teacher, 0, MOST_TEACHERS - 1, "StepResult.teacherFormat", "teacher");
    return format((((long) values[TEACHERS_CHANNELS_LAST] >> teacher) & 1) != 0);
  }

  private static MemoryFormat format(boolean channelsLast) {
    return channelsLast ? MemoryFormat.CHANNELS_LAST : MemoryFormat.CONTIGUOUS;
  }

  /**
   * Returns the duration of the step, without Java's overhead; with late results, on the device.
   *
   * @return a duration in nanoseconds
   */
  public long nanoseconds() {
    return (long) values[NANOSECONDS];
  }

  /**
   * Returns how long the step waited for other ranks, including the exchange itself.
   *
   * @return a duration in nanoseconds, this rank's own; 0 without ranks
   */
  public long waitingNanoseconds() {
    return (long) values[WAITING_NANOSECONDS];
  }

  /** Returns the largest number of terms that this result can hold. */
  int room() {
    return values.length - FIRST_TERM;
  }

  double[] values() {
    return values;
  }
}
