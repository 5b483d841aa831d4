package org.retort.train;

import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Properties;
import org.retort.FileException;

/** The position of a training run and the sums of its epoch so far: its state outside the step. */
final class Progress {
  /** The first line of a checkpoint's note; one {@code name=value} per line follows. */
  private static final String KIND = "retort.trainer=1";

  private final int stepsPerEpoch;
  private final long fingerprint;
  private int epoch;
  private int step;
  private int skipped;
  private double loss;
  private long correct;
  private long labeled;
  private double learningRate;
  private double bestScore = Double.NEGATIVE_INFINITY;
  private int bestEpoch = -1;
  private int sinceBest;

  /**
   * Starts at the first step.
   *
   * @param stepsPerEpoch of the batches
   * @param fingerprint of the batches
   */
  Progress(int stepsPerEpoch, long fingerprint) {
    this.stepsPerEpoch = stepsPerEpoch;
    this.fingerprint = fingerprint;
  }

  private Progress(Properties values, int stepsPerEpoch, long fingerprint) {
    this(stepsPerEpoch, fingerprint);
    epoch = whole(values, "epoch");
    step = whole(values, "step");
    skipped = whole(values, "skipped");
    loss = number(values, "loss");
    correct = Long.parseLong(values.getProperty("correct"));
    labeled = Long.parseLong(values.getProperty("labeled"));
    learningRate = number(values, "learningRate");
    bestScore = number(values, "bestScore");
    bestEpoch = whole(values, "bestEpoch");
    sinceBest = whole(values, "sinceBest");
  }

  /** Returns the note that {@link #of} reads. */
  String note() {
    return String.join(
        "\n",
        KIND,
        "stepsPerEpoch=" + stepsPerEpoch,
        "batches=" + fingerprint,
        "epoch=" + epoch,
        "step=" + step,
        "skipped=" + skipped,
        "loss=" + loss,
        "correct=" + correct,
        "labeled=" + labeled,
        "learningRate=" + learningRate,
        "bestScore=" + bestScore,
        "bestEpoch=" + bestEpoch,
        "sinceBest=" + sinceBest);
  }

  /**
   * Resumes from the note of {@code file}. A note without a fingerprint, or with 0, matches any
   * batches with the same number of steps: it predates fingerprints, or is of batches that have
   * none.
   */
  static Progress of(String note, int stepsPerEpoch, long fingerprint, Path file) {
    if (!note.startsWith(KIND + "\n")) {
      throw refused(file, "of a trainer", note.isEmpty() ? "no note" : "another note");
    }
    Properties values = values(note);
    Progress progress;
    int notedSteps;
    long notedFingerprint;
    try {
      notedSteps = whole(values, "stepsPerEpoch");
      notedFingerprint = Long.parseLong(values.getProperty("batches", "0"));
      progress = new Progress(values, stepsPerEpoch, fingerprint);
    } catch (NumberFormatException error) {
      throw refused(file, "of a trainer", "a note without all numbers");
    }
    if (notedSteps != stepsPerEpoch) {
      throw refused(file, "of batches with " + stepsPerEpoch + " steps per epoch", notedSteps);
    }
    if (notedFingerprint != 0 && notedFingerprint != fingerprint) {
      throw refused(
          file,
          "of batches with these data, labels, seed, size and augmentation, whose fingerprint is "
              + Long.toHexString(fingerprint),
          Long.toHexString(notedFingerprint));
    }
    return progress;
  }

  private static Properties values(String note) {
    Properties values = new Properties();
    try {
      values.load(new StringReader(note));
    } catch (IOException error) {
      throw new UncheckedIOException("a string can always be read", error);
    }
    return values;
  }

  private static FileException refused(Path file, String rule, Object value) {
    return new FileException(
        "Trainer.run: " + file + " must be a checkpoint " + rule + " (got " + value + ")", null);
  }

  private static int whole(Properties values, String name) {
    return Integer.parseInt(values.getProperty(name));
  }

  private static double number(Properties values, String name) {
    return Double.parseDouble(values.getProperty(name, ""));
  }

  /** Counts a step. */
  void add(StepResult result) {
    step++;
    learningRate = result.learningRate();
    if (result.skipped()) {
      skipped++;
      return;
    }
    loss += result.total();
    correct += result.correct();
    labeled += result.labeled();
  }

  /** Records the score of the epoch; returns whether it is the best so far. */
  boolean evaluated(double score) {
    boolean best = score > bestScore;
    if (best) {
      bestScore = score;
      bestEpoch = epoch;
    }
    sinceBest = best ? 0 : sinceBest + 1;
    return best;
  }

  /** Returns the results of the epoch and begins the next one. */
  EpochSummary endEpoch(OptionalDouble score, double seconds) {
    EpochSummary summary =
        new EpochSummary(
            epoch,
            step,
            skipped,
            loss / (step - skipped),
            labeled == 0 ? OptionalDouble.empty() : OptionalDouble.of((double) correct / labeled),
            score,
            score.isPresent() && bestEpoch == epoch,
            learningRate,
            seconds);
    epoch++;
    step = 0;
    skipped = 0;
    loss = 0;
    correct = 0;
    labeled = 0;
    return summary;
  }

  /** Returns the results of the training run. */
  TrainingSummary end(TrainingSummary.End end, double seconds) {
    boolean evaluated = bestEpoch >= 0;
    return new TrainingSummary(
        end,
        epoch,
        steps(),
        evaluated ? OptionalDouble.of(bestScore) : OptionalDouble.empty(),
        evaluated ? OptionalInt.of(bestEpoch) : OptionalInt.empty(),
        seconds);
  }

  /** Returns the number of the epoch, from 0. */
  int epoch() {
    return epoch;
  }

  /** Returns the number of steps done in the epoch. */
  int step() {
    return step;
  }

  /** Returns the number of steps done. */
  long steps() {
    return (long) epoch * stepsPerEpoch + step;
  }

  /** Returns the number of evaluations since the best one. */
  int sinceBest() {
    return sinceBest;
  }
}
