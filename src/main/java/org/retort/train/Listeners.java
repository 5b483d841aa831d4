package org.retort.train;

import java.nio.file.Path;
import java.util.Collection;

/** Several listeners as one. An array, since looping over it allocates nothing. */
final class Listeners implements TrainingListener {
  private final TrainingListener[] all;

  Listeners(Collection<TrainingListener> all) {
    this.all = all.toArray(TrainingListener[]::new);
  }

  @Override
  public void onStart(long done, long steps) {
    for (TrainingListener listener : all) {
      listener.onStart(done, steps);
    }
  }

  @Override
  public void onStep(long step, StepResult result) {
    for (TrainingListener listener : all) {
      listener.onStep(step, result);
    }
  }

  @Override
  public void onEpoch(EpochSummary epoch) {
    for (TrainingListener listener : all) {
      listener.onEpoch(epoch);
    }
  }

  @Override
  public void onCheckpoint(Path file) {
    for (TrainingListener listener : all) {
      listener.onCheckpoint(file);
    }
  }

  /** Calls every listener, even if others throw; then throws the first exception. */
  @Override
  public void onEnd(TrainingSummary training) {
    RuntimeException first = null;
    for (TrainingListener listener : all) {
      try {
        listener.onEnd(training);
      } catch (RuntimeException error) {
        if (first == null) {
          first = error;
        } else {
          first.addSuppressed(error);
        }
      }
    }
    if (first != null) {
      throw first;
    }
  }
}
