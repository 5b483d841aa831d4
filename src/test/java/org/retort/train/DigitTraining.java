package org.retort.train;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.retort.Retort;
import org.retort.data.Augmentation;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.losses.CrdLoss;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.Bits;

/**
 * A training on digits in epochs of three batches of four. Its step has all that a resumed training
 * must get right: momentum, a schedule, accumulation across epochs, a memory and random numbers.
 */
final class DigitTraining implements AutoCloseable {
  static final int STEPS = 3;
  static final int BATCH = 4;

  private static final Digits DIGITS = Digits.load();

  final Network student;
  final Network teacher;
  final TrainingStep step;
  final Batch test = Batch.of(DIGITS.test());

  /** Makes networks whose parameters and further random numbers depend on {@code seed}. */
  DigitTraining(long seed) {
    this(seed, UnaryOperator.identity());
  }

  /** The same with a change of the step. */
  DigitTraining(long seed, UnaryOperator<TrainingStepBuilder> change) {
    Retort.manualSeed(1);
    teacher = network();
    Retort.manualSeed(seed);
    student = network();
    step =
        change
            .apply(
                TrainingStep.builder(student, teacher)
                    .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
                    .crossEntropy(1)
                    .add(1, KdLoss.of(4))
                    .add(
                        0.8,
                        CrdLoss.forSamples(Digits.TRAIN_SIZE).withNegatives(8),
                        Taps.of("embedding"))
                    .optimizer(
                        Sgd.of(0.05).withMomentum(0.9).withSchedule(Schedule.milestones(0.1, 2, 4)))
                    .accumulate(2))
            .build();
  }

  private static Network network() {
    return ResNet.cifar(8, Digits.CLASSES, Digits.CHANNELS);
  }

  /** Makes batches without a thread, which need not be closed. */
  static Batches batches() {
    int[] labeled = DIGITS.labeled(0, 5);
    int unlabeled = (Digits.TRAIN_SIZE - labeled.length) / STEPS;
    return DatasetBatches.builder(DIGITS.train())
        .size(unlabeled)
        .seed(3)
        .labeled(labeled, BATCH)
        .withoutOthers()
        .augmentation(Augmentation.shift(1))
        .prefetch(0)
        .build();
  }

  /** Starts a trainer. */
  Trainer.Builder trainer(int epochs) {
    return Trainer.builder(step, batches()).epochs(epochs);
  }

  /** Returns the student's accuracy on the test images. */
  double accuracy() {
    return student.accuracy(test.images(), test.labels());
  }

  /** Returns everything that a step changes. */
  Map<String, ByteBuffer> state() {
    return Bits.of(step.state());
  }

  @Override
  public void close() {
    step.close();
    teacher.close();
    student.close();
  }
}
