package org.retort.train;

import java.nio.file.Path;

/**
 * Told what a {@link Trainer} does, on the thread that trains and between steps, so that a listener
 * may use the student and may end the training by {@link Trainer#stop}. An exception ends the
 * training and is passed on.
 */
public interface TrainingListener {
  /**
   * The training begins.
   *
   * @param done number of steps that an earlier run has done, 0 unless the training is resumed
   * @param steps number of steps of all epochs, with those
   */
  default void onStart(long done, long steps) {}

  /**
   * A step has been done, or skipped because something was not finite.
   *
   * @param step its number, from 1, counted through all epochs
   * @param result what it computed; overwritten by the next one
   */
  default void onStep(long step, StepResult result) {}

  /**
   * An epoch is at its end, and evaluated if it was time for that.
   *
   * @param epoch what came out
   */
  default void onEpoch(EpochSummary epoch) {}

  /**
   * A checkpoint has been written, and the student beside it.
   *
   * @param file the checkpoint
   */
  default void onCheckpoint(Path file) {}

  /**
   * The training is at its end, for whatever reason. Called once if it began.
   *
   * @param training what came out
   */
  default void onEnd(TrainingSummary training) {}
}
