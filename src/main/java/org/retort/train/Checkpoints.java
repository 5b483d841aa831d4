package org.retort.train;

import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.retort.data.Batches;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints of a trainer, if files are kept, and the best student. All ranks take part in a
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

  /** What the last checkpoint was taken of, and when. */
  private @Nullable String lastNote;

  private long lastTime;

  /**
   * Will keep checkpoints.
   *
   * @param files null if nothing is kept
   * @param everySteps number of steps after which there is one
   * @param everyNanos time after which there is one
   * @param listeners who are told of those that are written
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

  /** Says when there are some. */
  String description() {
    return files == null ? "none" : "every " + everySteps + " steps and " + everyNanos + " ns";
  }

  /** Returns where a training begins: where the last checkpoint was taken, or at the first step. */
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

  /** Whether it is time for a checkpoint after so many steps. */
  boolean isDue(long steps) {
    return files != null && (steps % everySteps == 0 || isTime());
  }

  private boolean isTime() {
    return everyNanos < Long.MAX_VALUE
        && ranks.isOnFirst(System.nanoTime() - lastTime >= everyNanos);
  }

  /** Begins to write a checkpoint, unless there is one of the same moment. */
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

  /** Keeps the student as the best one. */
  void saveBest() {
    if (files != null && ranks.isFirst()) {
      files.saveBest(step.student());
    }
  }

  /** Tells of the checkpoint that was being written, if it is. */
  void tell() {
    if (writer.isDone()) {
      await();
    }
  }

  /** Waits for the checkpoint that is being written, if there is one, and tells of it. */
  void await() {
    if (writer.await()) {
      LOG.debug("checkpoint {} after {} steps", files.checkpoint(), writer.steps());
      listeners.onCheckpoint(files.checkpoint());
    }
  }

  /** Waits for the checkpoint that is being written, if there is one, and tells nobody. */
  void awaitQuietly() {
    writer.await();
  }
}
