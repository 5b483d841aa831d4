package org.retort.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Writes down what a listener is told, but for what depends on the clock. */
final class TrainingRecord implements TrainingListener {
  /** The calls in their order. */
  final List<String> calls = new ArrayList<>();

  /** The numbers of each step. */
  final List<List<Double>> steps = new ArrayList<>();

  final List<EpochSummary> epochs = new ArrayList<>();
  final List<TrainingSummary> ends = new ArrayList<>();

  @Override
  public void onStart(long done, long all) {
    calls.add("start " + done + " of " + all);
  }

  @Override
  public void onStep(long step, StepResult result) {
    calls.add("step " + step);
    steps.add(
        List.of(
            result.total(), result.crossEntropy(), result.gradientNorm(), result.learningRate()));
  }

  @Override
  public void onEpoch(EpochSummary epoch) {
    calls.add("epoch " + epoch.epoch());
    epochs.add(timeless(epoch));
  }

  @Override
  public void onCheckpoint(Path file) {
    calls.add("checkpoint " + file.getFileName());
  }

  @Override
  public void onEnd(TrainingSummary training) {
    calls.add("end " + training.end());
    ends.add(timeless(training));
  }

  /** Returns the summary with 0 seconds. */
  static EpochSummary timeless(EpochSummary epoch) {
    return new EpochSummary(
        epoch.epoch(),
        epoch.steps(),
        epoch.skipped(),
        epoch.loss(),
        epoch.accuracy(),
        epoch.score(),
        epoch.best(),
        epoch.learningRate(),
        0);
  }

  /** Returns the summary with 0 seconds. */
  static TrainingSummary timeless(TrainingSummary training) {
    return new TrainingSummary(
        training.end(),
        training.epochs(),
        training.steps(),
        training.bestScore(),
        training.bestEpoch(),
        0);
  }
}
