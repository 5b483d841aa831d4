package org.retort.train;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;
import org.retort.Retort;
import org.retort.data.Augmentation;
import org.retort.data.Batch;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.distributed.Ranks;
import org.retort.losses.KdLoss;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.testing.Bits;

/**
 * One rank's part of a training on digits in epochs of three steps, or all of it. Networks have no
 * BatchNorm, and batches are not a multiple of the ranks.
 */
final class SharedTraining implements AutoCloseable {
  static final int STEPS = 3;

  private static final Digits DIGITS = Digits.load();
  private static final int LABELED = 7;

  final Network student;
  final Network teacher;
  final TrainingStep step;
  final DatasetBatches batches;

  private SharedTraining(Network student, Network teacher, @Nullable Ranks ranks, long seed) {
    this.student = student;
    this.teacher = teacher;
    TrainingStepBuilder builder =
        TrainingStep.builder(student, teacher)
            .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
            .crossEntropy(0.5)
            .add(0.5, KdLoss.of(4))
            .optimizer(Sgd.of(0.05).withMomentum(0.9).withWeightDecay(5e-4))
            .accumulate(2)
            .bucketBytes(1000);
    int rank = ranks == null ? 0 : ranks.rank();
    int size = ranks == null ? 1 : ranks.size();
    step = (ranks == null ? builder : builder.ranks(ranks)).build();
    int[] labeled = DIGITS.labeled(0, 5);
    batches =
        DatasetBatches.builder(DIGITS.train())
            .size((Digits.TRAIN_SIZE - labeled.length) / STEPS)
            .labeled(labeled, LABELED)
            .withoutOthers()
            .augmentation(Augmentation.shift(1))
            .seed(seed)
            .share(rank, size)
            .build();
  }

  /** Makes the part of a rank, or all if it is null. */
  static SharedTraining of(@Nullable Ranks ranks) {
    return of(ranks, ScalarType.Float, 3);
  }

  /** Makes the same with another type of numbers and seed of the batches. */
  static SharedTraining of(@Nullable Ranks ranks, ScalarType dtype, long seed) {
    Network student;
    Network teacher;
    synchronized (SharedTraining.class) { // ranks that are threads share the generator
      Retort.manualSeed(1);
      teacher = Mlp.of((long) Digits.SIDE * Digits.SIDE, 20, Digits.CLASSES);
      // Those of rank 0 count.
      Retort.manualSeed(ranks == null ? 2 : 2 + ranks.rank());
      student = Mlp.of((long) Digits.SIDE * Digits.SIDE, 12, 9, Digits.CLASSES);
    }
    student.convert(dtype);
    teacher.convert(dtype);
    return new SharedTraining(student, teacher, ranks, seed);
  }

  /** Starts a trainer. */
  Trainer.Builder trainer(int epochs) {
    return Trainer.builder(step, batches).epochs(epochs);
  }

  /** Returns the student's accuracy on the test images. */
  double accuracy() {
    Batch test = Batch.of(DIGITS.test());
    return student.accuracy(test.images(), test.labels());
  }

  /** Copies everything that a step changes. */
  Map<String, Tensor> state() {
    Map<String, Tensor> copies = new LinkedHashMap<>();
    step.state().forEach((name, tensor) -> copies.put(name, tensor.clone()));
    return copies;
  }

  /** Copies it bit for bit. */
  Map<String, ByteBuffer> bits() {
    return Bits.of(step.state());
  }

  @Override
  public void close() {
    batches.close();
    step.close();
    teacher.close();
    student.close();
  }
}
