package org.retort.cli;

import java.util.Locale;
import org.retort.data.Batches;
import org.retort.data.Digits;
import org.retort.train.EpochSummary;
import org.retort.train.Optimizer;
import org.retort.train.Schedule;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.Trainer;
import org.retort.train.TrainingListener;
import org.retort.train.TrainingStep;

/**
 * Trains a network on digits, with the same optimizer and schedule for teacher and students.
 *
 * @param progress told of each step
 * @param interruption heeded after each step
 */
record Training(Progress progress, Interruption interruption) {
  private static final double LEARNING_RATE = 0.1;
  private static final double MOMENTUM = 0.9;
  private static final double WEIGHT_DECAY = 5e-4;
  private static final double DROP = 0.1;
  private static final int FIRST_DROP_PERCENT = 60;
  private static final int SECOND_DROP_PERCENT = 80;

  /** Moves the bar and heeds the interruption, whose exception ends the training. */
  private final class Listener implements TrainingListener {
    private final String title;

    Listener(String title) {
      this.title = title;
    }

    @Override
    public void onStart(long done, long steps) {
      progress.message(title);
    }

    @Override
    public void onStep(long step, StepResult result) {
      progress.step();
      interruption.check();
    }

    @Override
    public void onEpoch(EpochSummary epoch) {
      progress.message(
          String.format(
              Locale.ROOT,
              "%s: loss %.3f, %.0f %%",
              title,
              epoch.loss(),
              100 * epoch.accuracy().orElseThrow()));
    }
  }

  /**
   * Trains for some epochs what {@code builder} describes but for its optimizer; returns the
   * seconds that took.
   */
  double train(String title, TrainingStep.Builder builder, Batches batches, int epochs) {
    builder
        .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
        .optimizer(optimizer((long) epochs * batches.stepsPerEpoch()));
    try (TrainingStep step = builder.build()) {
      return Trainer.builder(step, batches)
          .epochs(epochs)
          .listener(new Listener(title))
          .build()
          .run()
          .seconds();
    }
  }

  private static Optimizer optimizer(long steps) {
    return Sgd.learningRate(LEARNING_RATE)
        .momentum(MOMENTUM)
        .weightDecay(WEIGHT_DECAY)
        .schedule(
            Schedule.milestones(
                DROP, steps * FIRST_DROP_PERCENT / 100, steps * SECOND_DROP_PERCENT / 100));
  }
}
