package org.retort.spark;

import java.nio.file.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.jspecify.annotations.Nullable;
import org.retort.distributed.Ranks;
import org.retort.train.EpochSummary;
import org.retort.train.StepResult;
import org.retort.train.TrainingListener;
import org.retort.train.TrainingSummary;

/**
 * Follows a training on one rank: rank 0 reports it, and keeps its files where all can find them.
 */
final class RankListener implements TrainingListener {
  private final String training;
  private final TaskContext task;
  private final Ranks ranks;
  private final Path folder;
  private final @Nullable ProgressAccumulator progress; // null on other ranks
  private final @Nullable Uploads uploads; // null if nothing is kept
  private long epochStart;
  private long epochImages;

  RankListener(
      String training,
      TaskContext task,
      Ranks ranks,
      Path folder,
      @Nullable ProgressAccumulator progress,
      @Nullable Uploads uploads) {
    this.training = training;
    this.task = task;
    this.ranks = ranks;
    this.folder = folder;
    this.progress = progress;
    this.uploads = uploads;
  }

  @Override
  public void onStart(long done, long steps) {
    epochStart = System.nanoTime();
  }

  @Override
  public void onStep(long step, StepResult result) {
    if (task.isInterrupted()) { // the job was cancelled, or another rank has failed
      throw killed();
    }
    epochImages += result.samples();
    if (progress != null) {
      progress.add(progress.value().withStep(training, result.total(), imagesPerSecond()));
    }
  }

  @Override
  public void onEpoch(EpochSummary epoch) {
    if (progress != null) {
      progress.add(
          progress
              .value()
              .withEpoch(
                  new SparkEpoch(
                      training,
                      epoch.epoch(),
                      epoch.loss(),
                      epoch.accuracy().orElse(Double.NaN),
                      epoch.score().orElse(Double.NaN),
                      imagesPerSecond())));
    }
    epochStart = System.nanoTime();
    epochImages = 0;
  }

  private double imagesPerSecond() {
    return epochImages * 1e9 / Math.max(1, System.nanoTime() - epochStart);
  }

  @Override
  public void onCheckpoint(Path file) {
    keepFiles();
  }

  @Override
  public void onEnd(TrainingSummary summary) {
    keepFiles();
    // If any rank is interrupted, training ends on all as if it were meant to end there.
    if (summary.end() == TrainingSummary.End.STOPPED && ranks.any(task.isInterrupted())) {
      throw killed();
    }
  }

  private static TaskKilledException killed() {
    return new TaskKilledException("the task was killed");
  }

  private void keepFiles() {
    if (uploads != null) {
      uploads.keepChanged(folder);
    }
  }
}
