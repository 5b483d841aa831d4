package org.retort.train;

import java.nio.file.Path;

/**
 * Receives the events of a {@link Trainer}, on the training thread and between steps, so a listener
 * may use the student and may end the training with {@link Trainer#stop}. An exception or error
 * ends the training and is rethrown.
 */
public interface TrainingListener {
  /**
   * Called when the training begins.
   *
   * @param done number of steps done by earlier runs; 0 unless the training is resumed
   * @param steps total number of steps of all epochs, including those
   */
  default void onStart(long done, long steps) {}

  /**
   * Called after a step has run, or was skipped because a loss or gradient was not finite.
   *
   * @param step its number, from 1, counted through all epochs
   * @param result its result; overwritten by the next step
   */
  default void onStep(long step, StepResult result) {}

  /**
   * Called after an epoch has ended, and has been evaluated if an evaluation was due.
   *
   * @param epoch the results of the epoch
   */
  default void onEpoch(EpochSummary epoch) {}

  /**
   * Called after a checkpoint has been written, together with the student; with several ranks, on
   * rank 0 only. As another thread writes it, further steps have run in the meantime.
   *
   * @param file the checkpoint
   */
  default void onCheckpoint(Path file) {}

  /**
   * Called once when a training that began has ended, for whatever reason.
   *
   * @param training the results of the training
   */
  default void onEnd(TrainingSummary training) {}
}
