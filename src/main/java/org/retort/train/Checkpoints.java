package org.retort.train;

import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.retort.data.Batches;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A trainer's checkpoints, if files are kept, and its best student. All ranks take part in a
 * checkpoint, and the first one writes it.
 */
final class Checkpoints {
  private static final Logger LOG = LoggerFactory.getLogger(Trainer.class);

  private final TrainingStep step;
  private final TrainerRanks ranks;
  private final @Nullable KeptFiles files;
  private final long everySteps;
  private final long everyNanos;
  private final Listeners listeners;
  private final CheckpointWriter writer;

  /** The note of the last checkpoint, and when it was taken. */
  private @Nullable String lastNote;

  private long lastTime;

  /**
   * Creates the checkpoints of a trainer.
   *
   * @param files null if nothing is kept
   * @param everySteps number of steps between checkpoints
   * @param everyNanos time between checkpoints
   * @param listeners notified of each checkpoint written
   */
  Checkpoints(
      TrainingStep step,
      TrainerRanks ranks,
      @Nullable KeptFiles files,
      long everySteps,
      long everyNanos,
      Listeners listeners) {
    this.step = step;
    this.ranks = ranks;
    this.files = files;
    this.everySteps = everySteps;
    this.everyNanos = everyNanos;
    this.listeners = listeners;
    writer = new CheckpointWriter(files);
  }

  /** Describes when checkpoints are taken. */
  String description() {
    return files == null ? "none" : "every " + everySteps + " steps and " + everyNanos + " ns";
  }

  /** Returns where training starts: where the last checkpoint was taken, or at the first step. */
  Progress begin(Batches batches, boolean resume) {
    lastTime = System.nanoTime();
    int stepsPerEpoch = batches.stepsPerEpoch();
    if (files == null) {
      return new Progress(stepsPerEpoch, 0);
    }
    if (ranks.isFirst()) {
      files.makeFolder();
    }
    Path file = files.checkpoint();
    long fingerprint = batches.fingerprint();
    Progress progress =
        resume && ranks.isOnFirst(Files.exists(file))
            ? Progress.of(step.load(file), stepsPerEpoch, fingerprint, file)
            : new Progress(stepsPerEpoch, fingerprint);
    try (StepCheckpoint checkpoint = step.checkpoint("")) {
      if (ranks.isFirst()) {
        files.probe(checkpoint);
      }
    }
    return progress;
  }

  /** Returns whether a checkpoint is due after this many steps. */
  boolean isDue(long steps) {
    return files != null && (steps % everySteps == 0 || isTime());
  }

  private boolean isTime() {
    return everyNanos < Long.MAX_VALUE
        && ranks.isOnFirst(System.nanoTime() - lastTime >= everyNanos);
  }

  /** Starts writing a checkpoint, unless there is one of the same state. */
  void save(Progress progress) {
    String note = progress.note();
    if (files == null || note.equals(lastNote)) {
      return;
    }
    await(); // so that no more than one is in memory
    StepCheckpoint checkpoint = step.checkpoint(note);
    if (ranks.isFirst()) {
      writer.start(checkpoint, progress.steps());
    } else {
      checkpoint.close();
    }
    lastNote = note;
    lastTime = System.nanoTime();
  }

  /** Saves the student as the best one. */
  void saveBest() {
    if (files != null && ranks.isFirst()) {
      files.saveBest(step.student());
    }
  }

  /** Reports the checkpoint being written, if it is done. */
  void tell() {
    if (writer.isDone()) {
      await();
    }
  }

  /** Waits for the checkpoint being written, if there is one, and reports it. */
  void await() {
    if (writer.await()) {
      LOG.debug("checkpoint {} after {} steps", files.checkpoint(), writer.steps());
      listeners.onCheckpoint(files.checkpoint());
    }
  }

  /** Waits for the checkpoint being written, if there is one, without reporting it. */
  void awaitQuietly() {
    writer.await();
  }
}
