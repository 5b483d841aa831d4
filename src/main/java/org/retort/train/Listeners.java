package org.retort.train;

import java.nio.file.Path;
import java.util.Collection;

/** Several listeners as one. Uses an array, since looping over it allocates nothing. */
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

  /** Calls every listener, even if others throw; then throws the first exception or error. */
  @Override
  public void onEnd(TrainingSummary training) {
    onEnd(training, 0);
  }

  private void onEnd(TrainingSummary training, int from) {
    for (int i = from; i < all.length; i++) {
      try {
        all[i].onEnd(training);
      } catch (RuntimeException | Error first) {
        try {
          onEnd(training, i + 1);
        } catch (RuntimeException | Error another) {
          addSuppressed(first, another);
        }
        throw first;
      }
    }
  }

  /** Adds a suppressed failure to another, unless several listeners throw the same one. */
  static void addSuppressed(Throwable first, Throwable another) {
    if (another != first) {
      first.addSuppressed(another);
    }
  }
}
