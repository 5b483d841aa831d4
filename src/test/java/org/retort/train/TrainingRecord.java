package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Writes down what a listener is told, but for what depends on the clock. */
final class TrainingRecord implements TrainingListener {
  private static final Pattern POSITION = Pattern.compile("\nepoch=(\\d+)\nstep=(\\d+)\n");

  /** The calls in their order, without those of checkpoints, which are told of when written. */
  final List<String> calls = new ArrayList<>();

  /** For each checkpoint, its {@code epoch:step}. */
  final List<String> checkpoints = new ArrayList<>();

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
    checkpoints.add(position(file));
  }

  /** Returns the {@code epoch:step} of a checkpoint. */
  static String position(Path file) {
    try {
      Matcher note = POSITION.matcher(Files.readString(file, StandardCharsets.ISO_8859_1));
      assertThat(note.find()).isTrue();
      return note.group(1) + ":" + note.group(2);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
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
