package org.retort.train;

/** The mode of the teacher's BatchNorms. The rest of the teacher is in evaluation mode. */
public enum TeacherBatchNorm {
  /** Normalises by the running statistics, as most code does. */
  EVALUATION,
  /**
   * Normalises by the batch's statistics and updates the running ones, as OFD's official code does.
   */
  TRAINING,
  /** Normalises by the batch's statistics, without updating the running ones. */
  BATCH_STATISTICS
}
