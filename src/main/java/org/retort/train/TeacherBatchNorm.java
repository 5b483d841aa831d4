package org.retort.train;

import org.retort.bindings.global.retort.NativeTeacherBatchNorm;

/** The mode of the teacher's BatchNorms. The rest of the teacher is in evaluation mode. */
public enum TeacherBatchNorm {
  /** Normalise by the running statistics, as most code does. */
  EVALUATION(NativeTeacherBatchNorm.kEvaluation),
  /**
   * Normalise by the batch's statistics and update the running ones, as OFD's official code does.
   */
  TRAINING(NativeTeacherBatchNorm.kTraining),
  /** Normalise by the batch's statistics, without updating the running ones. */
  BATCH_STATISTICS(NativeTeacherBatchNorm.kBatchStatistics);

  final NativeTeacherBatchNorm nativeMode;

  TeacherBatchNorm(NativeTeacherBatchNorm nativeMode) {
    this.nativeMode = nativeMode;
  }
}
