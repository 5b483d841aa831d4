package org.retort.cli;

import java.util.Locale;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.data.Digits;
import org.retort.train.Optimizer;
import org.retort.train.Schedule;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/**
 * Trains a network on digits, with the same optimizer and schedule for teacher and students.
 *
 * @param progress told of each step
 * @param interruption heeded after each step
 */
record Trainer(Progress progress, Interruption interruption) {
  private static final double LEARNING_RATE = 0.1;
  private static final double MOMENTUM = 0.9;
  private static final double WEIGHT_DECAY = 5e-4;
  private static final double DROP = 0.1;
  private static final int FIRST_DROP_PERCENT = 60;
  private static final int SECOND_DROP_PERCENT = 80;

  /**
   * Trains for some epochs what {@code builder} describes but for its optimizer; returns the
   * seconds that took.
   */
  double train(String title, TrainingStep.Builder builder, Batches batches, int epochs) {
    int stepsPerEpoch = batches.stepsPerEpoch();
    builder
        .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
        .optimizer(optimizer((long) epochs * stepsPerEpoch));
    progress.message(title);
    try (TrainingStep step = builder.build()) {
      StepResult result = step.newResult();
      long start = System.nanoTime();
      for (int epoch = 0; epoch < epochs; epoch++) {
        batches.startEpoch(epoch);
        long correct = 0;
        long labeled = 0;
        for (int i = 0; i < stepsPerEpoch; i++) {
          Batch batch = batches.next();
          step.run(batch.images(), batch.labels(), batch.indices(), result);
          correct += result.correct();
          labeled += result.labeled();
          progress.step();
          interruption.check();
        }
        progress.message(message(title, result.total(), 100.0 * correct / labeled));
      }
      return (System.nanoTime() - start) / 1e9;
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

  private static String message(String title, double loss, double percent) {
    return String.format(Locale.ROOT, "%s: loss %.3f, %.0f %%", title, loss, percent);
  }
}
