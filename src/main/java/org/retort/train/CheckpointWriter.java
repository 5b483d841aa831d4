package org.retort.train;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/** Writes a trainer's checkpoints on its own threads, one after another. */
final class CheckpointWriter {
  private final KeptFiles files;
  private @Nullable FutureTask<Void> write;
  private long steps;

  CheckpointWriter(KeptFiles files) {
    this.files = files;
  }

  /**
   * Starts writing. {@link #await} must have been called since the previous start.
   *
   * @param checkpoint closed once it is written
   * @param stepsDone the number that {@link #steps} returns
   */
  void start(StepCheckpoint checkpoint, long stepsDone) {
    FutureTask<Void> task =
        new FutureTask<>(
            () -> {
              try (checkpoint) {
                files.saveLast(checkpoint);
              }
              return null;
            });
    try {
      new Thread(task, "retort-checkpoint").start();
    } catch (RuntimeException | Error failure) { // for example, no more threads
      checkpoint.close();
      throw failure;
    }
    write = task;
    steps = stepsDone;
  }

  /** Returns whether {@link #await} has something to report and need not wait for it. */
  boolean isDone() {
    return write != null && write.isDone();
  }

  /**
   * Waits for the write that was started, even if the thread is interrupted.
   *
   * @return whether there was one since the last call
   * @throws RuntimeException whatever the write threw
   */
  boolean await() {
    if (write == null) {
      return false;
    }
    FutureTask<Void> awaited = write;
    write = null;
    boolean interrupted = false;
    try {
      while (true) {
        try {
          awaited.get();
          return true;
        } catch (InterruptedException again) {
          interrupted = true;
        }
      }
    } catch (ExecutionException failure) {
      throw unchecked(failure.getCause());
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static RuntimeException unchecked(Throwable failure) {
    if (failure instanceof Error error) {
      throw error;
    }
    return (RuntimeException) failure;
  }

  /** Returns the number of steps after which the last checkpoint was taken. */
  long steps() {
    return steps;
  }
}
