package org.retort.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.retort.data.Batches;
import org.retort.models.Network;
import org.retort.recipes.Experiment;
import org.retort.train.EpochSummary;
import org.retort.train.StepResult;
import org.retort.train.Trainer;
import org.retort.train.TrainingListener;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingSummary;

/**
 * Trains one network, stage by stage: shows its progress, saves its history and checkpoints, and
 * stops with a checkpoint when the process is asked to end. Of several ranks, only the first does
 * so.
 */
final class Training {
  /** The most work that a killed process loses. */
  private static final Duration CHECKPOINT_INTERVAL = Duration.ofMinutes(5);

  private final String run;
  private final Experiment experiment;
  private final OutputFolder output;
  private final Progress progress;
  private final String teachers;
  private final List<Run.Epoch> history;

  /**
   * Prepares a run, which resumes from its checkpoints, if any.
   *
   * @param teachers the accuracies of its teachers, shown after its own accuracy
   */
  Training(
      String run, Experiment experiment, OutputFolder output, Progress progress, String teachers)
      throws IOException {
    this.run = run;
    this.experiment = experiment;
    this.output = output;
    this.progress = progress;
    this.teachers = teachers;
    history = new ArrayList<>();
    if (experiment.ranks().isFirst()) {
      history.addAll(output.history(run));
    }
  }

  /** Follows a stage. */
  private final class Listener implements TrainingListener {
    private final int stage;
    private final List<String> terms;
    private final int stepsPerEpoch;
    private final long imagesPerStep;
    private final double[] sums;
    private double crossEntropy;
    private int counted;

    Listener(int stage, List<String> terms, int stepsPerEpoch, long imagesPerStep) {
      this.stage = stage;
      this.terms = terms;
      this.stepsPerEpoch = stepsPerEpoch;
      this.imagesPerStep = imagesPerStep;
      sums = new double[terms.size()];
    }

    @Override
    public void onStart(long done, long steps) {
      // entries of the epoch whose checkpoint was never written, and of what an older run did later
      history.removeIf(
          epoch ->
              epoch.stage() > stage
                  || epoch.stage() == stage && epoch.epoch() >= done / stepsPerEpoch);
      progress.skip(done * imagesPerStep);
      progress.message(run + teachers);
    }

    @Override
    public void onStep(long step, StepResult result) {
      progress.stepBy(imagesPerStep);
      if (!result.skipped()) {
        counted++;
        crossEntropy += result.crossEntropy();
        for (int i = 0; i < sums.length; i++) {
          sums[i] += result.term(i);
        }
      }
    }

    @Override
    public void onEpoch(EpochSummary epoch) {
      // entries of a process that ended after writing this and before the next checkpoint
      history.removeIf(old -> old.stage() == stage && old.epoch() >= epoch.epoch());
      history.add(summary(epoch));
      try {
        output.keepHistory(run, history);
      } catch (IOException failure) {
        throw new UncheckedIOException(failure);
      }
      progress.message(
          String.format(
              Locale.ROOT,
              "%s: loss %.3f, accuracy %.1f %%%s",
              run,
              epoch.loss(),
              100 * epoch.score().orElseThrow(),
              teachers));
    }

    private Run.Epoch summary(EpochSummary epoch) {
      Map<String, Double> means = new LinkedHashMap<>();
      for (int i = 0; i < sums.length; i++) {
        means.merge(terms.get(i), sums[i] / counted, Double::sum);
        sums[i] = 0;
      }
      double meanCrossEntropy = crossEntropy / counted;
      crossEntropy = 0;
      counted = 0;
      return new Run.Epoch(
          stage,
          epoch.epoch(),
          epoch.loss(),
          meanCrossEntropy,
          means,
          epoch.accuracy().isPresent()
              ? Double.valueOf(100 * epoch.accuracy().getAsDouble())
              : null,
          100 * epoch.score().orElseThrow(),
          epoch.learningRate(),
          epoch.seconds());
    }
  }

  /** Trains a network for some epochs, with a step whose losses have the given names. */
  void train(
      int stage,
      Network network,
      TrainingStep step,
      List<String> terms,
      Batches batches,
      long imagesPerStep,
      int epochs) {
    Trainer.Builder trainer =
        Trainer.builder(step, batches)
            .epochs(epochs)
            .evaluate(() -> experiment.accuracy(network))
            .keep(output.checkpoints(run, stage))
            .checkpointEvery(CHECKPOINT_INTERVAL)
            .resume()
            .stopOnInterrupt();
    if (experiment.ranks().isFirst()) {
      trainer.listener(new Listener(stage, terms, batches.stepsPerEpoch(), imagesPerStep));
    }
    TrainingSummary summary = trainer.build().run();
    if (summary.end() == TrainingSummary.End.STOPPED) {
      throw new CancellationException("the process is about to end");
    }
  }

  /** Evaluates and saves the network, and returns the results. */
  Run finish(Network network, long seed) throws IOException {
    network.saveStateDict(output.network(run));
    Run finished =
        new Run(
            seed,
            100 * experiment.accuracy(network),
            history.stream().mapToDouble(Run.Epoch::seconds).sum(),
            network.parameterCount(),
            output.networkName(run),
            List.copyOf(history));
    output.finish(run, finished);
    return finished;
  }
}
