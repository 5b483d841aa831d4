package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.internal.Arguments;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Trains for a number of epochs: runs a step on each batch, evaluates the student after each epoch,
 * saves the best and the latest student, and resumes a stopped run.
 *
 * <p>A run that is stopped at any step, and resumed with a step and batches with the same options,
 * computes the same bits as an uninterrupted one, under the conditions of {@link
 * TrainingStep#load}.
 *
 * <p>If the step has several ranks ({@link TrainingStepBuilder#ranks}), a trainer runs on each of
 * them, with the same options and with its own part of the same batches ({@link
 * org.retort.data.DatasetBatches.Builder#share}). Only rank 0 evaluates, reads and writes files and
 * logs at level INFO; the others need neither the folder nor the evaluation data. The evaluation
 * must take less time than the timeout of the ranks. {@link #stop} or an interrupt on any rank
 * stops all of them before the same step. Listeners run on all ranks and receive the same events,
 * except for durations, and for checkpoints, which are reported on rank 0 only. If the training
 * fails on one rank, for example because a listener throws, the others end with a {@link
 * org.retort.RankException} that gives the reason.
 *
 * <p>A trainer runs once, on one thread; {@link #stop} may be called from any. It does not own the
 * step or the batches. Except for checkpoints, it allocates nothing within an epoch, unless there
 * are several ranks. It logs epochs at level INFO and checkpoints at DEBUG.
 */
public final class Trainer {
  private static final Logger LOG = LoggerFactory.getLogger(Trainer.class);

  private final TrainingStep step;
  private final TrainerRanks ranks;
  private final Batches batches;
  private final int epochs;
  private final DoubleSupplier evaluation;
  private final int evaluateEvery;
  private final int patience;
  private final Checkpoints checkpoints;
  private final int checkpointEveryEpochs;
  private final boolean resume;
  private final boolean stopOnInterrupt;
  private final int publishEvery;
  private final Listeners listeners;

  private final AtomicBoolean started = new AtomicBoolean();
  private volatile boolean stopped;

  private Trainer(Builder builder) {
    step = builder.step;
    ranks = new TrainerRanks(step);
    batches = builder.batches;
    epochs = builder.epochs;
    evaluation = builder.evaluation;
    evaluateEvery = builder.evaluateEvery;
    patience = builder.patience;
    checkpointEveryEpochs = builder.checkpointEveryEpochs;
    resume = builder.resume;
    stopOnInterrupt = builder.stopOnInterrupt;
    publishEvery = builder.publishEvery;
    listeners = new Listeners(builder.listeners);
    checkpoints =
        new Checkpoints(
            step,
            ranks,
            builder.files,
            builder.checkpointEverySteps,
            builder.checkpointEveryNanos,
            listeners);
  }

  /**
   * Starts building a trainer.
   *
   * @param step the step to run; must not be run elsewhere during the training
   * @param batches the data; must not be read elsewhere during the training
   * @return a new builder
   * @throws IllegalArgumentException if an argument is null
   */
  public static Builder builder(TrainingStep step, Batches batches) {
    return new Builder(
        Arguments.notNull(step, "Trainer.builder", "step"),
        Arguments.notNull(batches, "Trainer.builder", "batches"));
  }

  /**
   * Trains until all epochs are done, the score stops improving, {@link #stop} is called, or the
   * thread is interrupted (its interrupt flag stays set). Returns once the last checkpoint is
   * written.
   *
   * @return the results, including why the training ended
   * @throws IllegalStateException if the trainer has run before, or the step or the student is
   *     closed
   * @throws org.retort.FileException if the files can't be written, which is checked before the
   *     first step, or the checkpoint to resume from is damaged, belongs to another step or to
   *     other batches, or was not written by a trainer
   * @throws org.retort.RankException if the training has failed on another rank, or a rank is gone
   *     or has different options or batches
   * @throws org.retort.RetortException if a step fails, for example with a {@link
   *     org.retort.NonFiniteException}
   * @throws RuntimeException any exception that the batches, the evaluation or listeners throw;
   *     errors such as {@link OutOfMemoryError} are rethrown, too
   */
  @SuppressWarnings("try") // the hook only needs to be open
  public TrainingSummary run() {
    if (!started.compareAndSet(false, true)) {
      throw new IllegalStateException("Trainer.run: trainer must be new (got one that has run)");
    }
    try (ShutdownStop hook = stopOnInterrupt ? ShutdownStop.install(this::stop) : null) {
      return runOnce();
    } catch (RuntimeException | Error failure) {
      ranks.fail(failure);
      throw failure;
    }
  }

  private TrainingSummary runOnce() {
    long start = System.nanoTime();
    Progress progress = begin();
    TrainingSummary summary;
    try {
      listeners.onStart(progress.steps(), (long) epochs * batches.stepsPerEpoch());
      publishIf(publishEvery > 0);
      TrainingSummary.End end = train(progress);
      checkpoints.await();
      ranks.meet(); // so all ranks know that the last checkpoint is written
      publishIf(publishEvery > 0);
      summary = progress.end(end, secondsSince(start));
    } catch (RuntimeException | Error failure) {
      ranks.fail(failure); // first, since the others wait
      endFailed(progress, start, failure);
      throw failure;
    }
    LOG.atLevel(level())
        .log(
            "{} after {} epochs, {} steps and {} s",
            summary.end(),
            summary.epochs(),
            summary.steps(),
            rounded(summary.seconds()));
    listeners.onEnd(summary);
    return summary;
  }

  private void endFailed(Progress progress, long start, Throwable failure) {
    try {
      checkpoints.awaitQuietly();
    } catch (RuntimeException | Error another) {
      Listeners.addSuppressed(failure, another);
    }
    try {
      listeners.onEnd(progress.end(TrainingSummary.End.FAILED, secondsSince(start)));
    } catch (RuntimeException | Error another) {
      Listeners.addSuppressed(failure, another);
    }
  }

  /**
   * Ends the training after the current step; {@link #run} then writes a checkpoint, if files are
   * kept, and returns. Does not wait. If the trainer has not run yet, {@link #run} will return at
   * once. The trainers on all other ranks do the same.
   */
  public void stop() {
    stopped = true;
  }

  private Progress begin() {
    requireSameOnAllRanks();
    int stepsPerEpoch = batches.stepsPerEpoch();
    Progress progress = checkpoints.begin(batches, resume);
    if (progress.steps() == 0) {
      LOG.atLevel(level()).log("training for {} epochs of {} steps", epochs, stepsPerEpoch);
    } else {
      LOG.atLevel(level())
          .log(
              "training for {} epochs of {} steps, resuming from step {} of epoch {}",
              epochs,
              stepsPerEpoch,
              progress.step(),
              progress.epoch());
    }
    return progress;
  }

  /** Compares the options that determine when ranks act together, and whether their data match. */
  private void requireSameOnAllRanks() {
    if (ranks.areSeveral()) {
      ranks.requireSame(
          "epochs=" + epochs,
          "steps per epoch=" + batches.stepsPerEpoch(),
          "fingerprint of batches=" + Long.toHexString(batches.fingerprint()),
          "evaluation=" + (evaluation != null),
          "epochs between evaluations=" + evaluateEvery,
          "patience=" + patience,
          "checkpoints=" + checkpoints.description(),
          "epochs between checkpoints=" + checkpointEveryEpochs,
          "resuming=" + resume);
    }
  }

  private Level level() {
    return ranks.isFirst() ? Level.INFO : Level.DEBUG;
  }

  private TrainingSummary.End train(Progress progress) {
    StepResult result = step.newResult();
    while (!isOver(progress)) {
      long start = System.nanoTime();
      if (!trainEpoch(progress, result)) {
        checkpoints.save(progress);
        return TrainingSummary.End.STOPPED;
      }
      endEpoch(progress, secondsSince(start));
    }
    return progress.epoch() >= epochs
        ? TrainingSummary.End.FINISHED
        : TrainingSummary.End.STOPPED_EARLY;
  }

  private boolean isOver(Progress progress) {
    return progress.epoch() >= epochs || progress.sinceBest() >= patience;
  }

  /** Runs the rest of the epoch; returns false if it was stopped. */
  private boolean trainEpoch(Progress progress, StepResult result) {
    int steps = batches.stepsPerEpoch();
    int begun = progress.step();
    if (begun < steps) { // else only its evaluation is left
      batches.startEpoch(progress.epoch());
      batches.skip(begun);
    }
    boolean stops = false;
    while (begun < steps) {
      Batch batch = isStopped() ? null : batches.next();
      stops = ranks.any(batch == null);
      if (stops) {
        break;
      }
      step.run(batch.images(), batch.labels(), batch.indices(), result);
      begun++;
      if (result.samples() > 0) { // 0 if there was no previous step
        endStep(progress, result);
      }
      if (checkpoints.isDue((long) progress.epoch() * steps + begun)) {
        finishPending(progress, result);
        checkpoints.save(progress);
      } else {
        checkpoints.tell();
      }
    }
    finishPending(progress, result);
    return !stops && !ranks.any(isStopped());
  }

  private void finishPending(Progress progress, StepResult result) {
    if (step.finish(result)) {
      endStep(progress, result);
    }
  }

  private void endStep(Progress progress, StepResult result) {
    progress.add(result);
    publishIf(publishEvery > 0 && progress.steps() % publishEvery == 0);
    listeners.onStep(progress.steps(), result);
  }

  private void publishIf(boolean wanted) {
    if (wanted) {
      step.publish();
    }
  }

  private boolean isStopped() {
    return stopped || Thread.currentThread().isInterrupted();
  }

  private void endEpoch(Progress progress, double seconds) {
    OptionalDouble score = OptionalDouble.empty();
    if (evaluation != null && isTime(progress.epoch() + 1, evaluateEvery)) {
      checkpoints.save(progress);
      score = OptionalDouble.of(ranks.ofFirst(evaluation));
      if (progress.evaluated(score.getAsDouble())) {
        checkpoints.saveBest();
      }
    }
    EpochSummary summary = progress.endEpoch(score, seconds);
    log(summary);
    listeners.onEpoch(summary);
    if (isOver(progress) || isTime(progress.epoch(), checkpointEveryEpochs)) {
      checkpoints.save(progress);
    }
  }

  /** Returns whether an action that happens every few epochs, and after the last one, is due. */
  private boolean isTime(int epochsDone, int every) {
    return epochsDone % every == 0 || epochsDone == epochs;
  }

  private void log(EpochSummary epoch) {
    if (LOG.isEnabledForLevel(level())) {
      LOG.atLevel(level())
          .log(
              "epoch {}: loss {}, accuracy {}, score {}{}, {} s",
              epoch.epoch(),
              rounded(epoch.loss()),
              rounded(epoch.accuracy()),
              rounded(epoch.score()),
              epoch.best() ? ", the best so far" : "",
              rounded(epoch.seconds()));
    }
  }

  private static String rounded(OptionalDouble value) {
    return value.isPresent() ? rounded(value.getAsDouble()) : "none";
  }

  private static String rounded(double value) {
    return String.format(Locale.ROOT, "%.4g", value);
  }

  private static double secondsSince(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  /** Collects the options of a trainer. */
  public static final class Builder {
    private static final String NAME = "Trainer.Builder";
    private static final Duration LONGEST = Duration.ofNanos(Long.MAX_VALUE);

    private final TrainingStep step;
    private final Batches batches;
    private final List<TrainingListener> listeners = new ArrayList<>();
    private int epochs;
    private @Nullable DoubleSupplier evaluation;
    private int evaluateEvery = 1;
    private int patience = Integer.MAX_VALUE;
    private @Nullable KeptFiles files;
    private int checkpointEveryEpochs = 1;
    private long checkpointEverySteps = Long.MAX_VALUE;
    private long checkpointEveryNanos = Long.MAX_VALUE;
    private boolean resume;
    private boolean stopOnInterrupt;
    private int publishEvery;

    private Builder(TrainingStep step, Batches batches) {
      this.step = step;
      this.batches = batches;
    }

    /**
     * Sets the total number of epochs, including those of earlier runs if resumed. Required.
     *
     * @param epochs at least 1
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder epochs(int epochs) {
      Arguments.atLeast(epochs, 1, NAME + ".epochs", "epochs");
      this.epochs = epochs;
      return this;
    }

    /**
     * Sets the evaluation of the student; none by default.
     *
     * @param score for example {@code () -> student.accuracy(images, labels)}; larger is better,
     *     NaN is never the best; called on rank 0 only
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder evaluate(DoubleSupplier score) {
      evaluation = Arguments.notNull(score, NAME + ".evaluate", "score");
      return this;
    }

    /**
     * Sets the number of epochs between evaluations; 1 by default. The student is always evaluated
     * after the last epoch.
     *
     * @param epochs at least 1
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder evaluateEvery(int epochs) {
      Arguments.atLeast(epochs, 1, NAME + ".evaluateEvery", "epochs");
      evaluateEvery = epochs;
      return this;
    }

    /**
     * Ends the training early if the score stops improving; off by default.
     *
     * @param evaluations number of consecutive evaluations without a new best score, at least 1
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder patience(int evaluations) {
      Arguments.atLeast(evaluations, 1, NAME + ".patience", "evaluations");
      patience = evaluations;
      return this;
    }

    /**
     * Saves the student and the training state to files, each of which is written atomically and
     * replaces the previous one: {@code best.pt}, the student's state dict whenever its score is
     * the best so far, {@code last.pt}, its state dict at each checkpoint, and {@code
     * last.checkpoint}, everything needed to resume. By default nothing is saved.
     *
     * <p>Checkpoints are taken before each evaluation, so that nothing is lost if it fails or takes
     * long, as specified by {@link #checkpointEveryEpochs}, {@link #checkpointEverySteps} and
     * {@link #checkpointEvery}, and at the end of the training, unless it fails. Training waits
     * only while its state is copied, see {@link TrainingStep#checkpoint}; another thread then
     * writes the files, which takes as much memory as the checkpoint. A checkpoint waits for the
     * previous one. If one can't be written, the training ends after the step that is running at
     * the time.
     *
     * @param folder where the files are saved; created by {@link Trainer#run} if it is missing.
     *     Before the first step, a checkpoint is written there and removed again, to detect a full
     *     or read-only folder at once.
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder keep(Path folder) {
      files = new KeptFiles(Arguments.notNull(folder, NAME + ".keep", "folder"));
      return this;
    }

    /**
     * Sets the number of epochs between checkpoints; 1 by default.
     *
     * @param epochs at least 1
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder checkpointEveryEpochs(int epochs) {
      Arguments.atLeast(epochs, 1, NAME + ".checkpointEveryEpochs", "epochs");
      checkpointEveryEpochs = epochs;
      return this;
    }

    /**
     * Sets the number of steps between additional checkpoints, counted across all epochs; off by
     * default.
     *
     * @param steps at least 1
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder checkpointEverySteps(long steps) {
      Arguments.atLeast(steps, 1, NAME + ".checkpointEverySteps", "steps");
      checkpointEverySteps = steps;
      return this;
    }

    /**
     * Sets the time after which an additional checkpoint is taken, measured from the last one to
     * the end of a step; off by default.
     *
     * @param time positive
     * @return this builder
     * @throws IllegalArgumentException if the time is null or not positive
     */
    public Builder checkpointEvery(Duration time) {
      String function = NAME + ".checkpointEvery";
      Arguments.notNull(time, function, "time");
      check(
          !time.isNegative() && !time.isZero(),
          "%s: time must be positive (got %s)",
          function,
          time);
      checkpointEveryNanos = time.compareTo(LONGEST) < 0 ? time.toNanos() : Long.MAX_VALUE;
      return this;
    }

    /**
     * Resumes from the checkpoint in the folder of {@link #keep}, if there is one; by default the
     * training starts from scratch. The batches must have the {@linkplain Batches#fingerprint
     * fingerprint} stored in the checkpoint, unless it was unknown.
     *
     * @return this builder
     */
    public Builder resume() {
      resume = true;
      return this;
    }

    /**
     * Stops the training when the process is shut down by Ctrl-C, SIGTERM or {@link System#exit}.
     * While it runs, {@link Trainer#run} installs a shutdown hook that calls {@link Trainer#stop}
     * and makes the process wait, however long it takes, until the running step or evaluation has
     * ended and the checkpoint is written. The process then ends with its usual status, 130 after
     * Ctrl-C and 143 after SIGTERM. Off by default.
     *
     * <p>Other hooks run at the same time, and must not close anything that the training uses. If
     * the training thread itself calls {@link System#exit}, from a listener, the process does not
     * wait.
     *
     * @return this builder
     */
    public Builder stopOnInterrupt() {
      stopOnInterrupt = true;
      return this;
    }

    /**
     * Publishes the student when the training begins, every {@code steps} steps and at the end,
     * unless the training fails: {@link org.retort.models.Network#predict} then uses those weights,
     * from any number of threads, and never waits for a step. Off by default. With late results,
     * publishing waits for the pending step and publishes the weights after it.
     *
     * @param steps at least 1
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder publishEvery(int steps) {
      Arguments.atLeast(steps, 1, NAME + ".publishEvery", "steps");
      publishEvery = steps;
      return this;
    }

    /**
     * Adds a listener. Listeners are called in the order in which they were added.
     *
     * @param listener the listener
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder listener(TrainingListener listener) {
      listeners.add(Arguments.notNull(listener, NAME + ".listener", "listener"));
      return this;
    }

    /**
     * Builds the trainer. Nothing is read or written yet.
     *
     * @return a new trainer
     * @throws IllegalArgumentException if the number of epochs is missing, {@link #patience} is set
     *     without {@link #evaluate}, or {@link #resume} without {@link #keep}
     */
    public Trainer build() {
      check(epochs > 0, "%s.build: epochs must be given (got none)", NAME);
      check(
          evaluation != null || patience == Integer.MAX_VALUE,
          "%s.build: patience must be used with evaluate (got none)",
          NAME);
      check(files != null || !resume, "%s.build: resume must be used with keep (got none)", NAME);
      return new Trainer(this);
    }
  }
}
