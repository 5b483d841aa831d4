package org.retort.train;

import java.nio.file.Path;

/**
 * Receives the events of a {@link Trainer}, on the training thread and between steps, so that a
 * listener may use the student and may end the training by {@link Trainer#stop}. An exception or
 * error ends the training and is rethrown.
 */
public interface TrainingListener {
  /**
   * The training begins.
   *
   * @param done number of steps that an earlier run has done, 0 unless the training is resumed
   * @param steps number of steps of all epochs, including those
   */
  default void onStart(long done, long steps) {}

  /**
   * A step has run, or was skipped because a loss or gradient was not finite.
   *
   * @param step its number, from 1, counted through all epochs
   * @param result what it computed; overwritten by the next one
   */
  default void onStep(long step, StepResult result) {}

  /**
   * An epoch has ended, and has been evaluated if an evaluation was due.
   *
   * @param epoch the results of the epoch
   */
  default void onEpoch(EpochSummary epoch) {}

  /**
   * A checkpoint has been written, together with the student; with several ranks, rank 0 alone is
   * told. As another thread writes it, further steps have been done meanwhile.
   *
   * @param file the checkpoint
   */
  default void onCheckpoint(Path file) {}

  /**
   * The training has ended, for whatever reason. Called once if it began.
   *
   * @param training the results of the training
   */
  default void onEnd(TrainingSummary training) {}
}
