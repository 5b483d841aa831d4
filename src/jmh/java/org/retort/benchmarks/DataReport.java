package org.retort.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Random;
import org.retort.data.Augmentation;
import org.retort.data.Batch;
import org.retort.data.CifarDataset;
import org.retort.data.DatasetBatches;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/**
 * Measures how long a training step waits for its data and prints it as a table: {@code DataReport
 * [STEPS]}. A ResNet-20 is distilled into a ResNet-8 on a file of CIFAR-10's format, in batches of
 * 64, with CIFAR's usual augmentation. Fails never because of a time.
 */
public final class DataReport {
  private static final int IMAGES = 10_000;
  private static final int IMAGE_BYTES = 1 + 3 * 32 * 32;
  private static final int BATCH = 64;
  private static final int WARM_UP = 5;

  private DataReport() {}

  /**
   * Runs it.
   *
   * @param args the number of steps, if wanted
   * @throws IOException if the file can't be written
   */
  public static void main(String[] args) throws IOException {
    int steps = args.length > 0 ? Integer.parseInt(args[0]) : 100;
    Path file = Files.createTempFile("retort", ".bin");
    try {
      Files.write(file, noise());
      System.out.println("| batches ahead | step, ms | wait for a batch, ms | share of the time |");
      System.out.println("| --- | --- | --- | --- |");
      for (int prefetch : new int[] {0, 1, 2}) {
        report(CifarDataset.cifar10(file), prefetch, steps);
      }
    } finally {
      Files.delete(file);
    }
  }

  private static byte[] noise() {
    byte[] content = new byte[IMAGES * IMAGE_BYTES];
    Random random = new Random(1);
    random.nextBytes(content);
    for (int i = 0; i < content.length; i += IMAGE_BYTES) {
      content[i] = (byte) random.nextInt(Samples.CLASSES);
    }
    return content;
  }

  private static void report(CifarDataset data, int prefetch, int steps) {
    Augmentation augmentation =
        Augmentation.none()
            .withCrop(4)
            .withFlip(0.5)
            .withNormalization(
                new double[] {0.4914, 0.4822, 0.4465}, new double[] {0.247, 0.2435, 0.2616});
    try (Network teacher = ResNet.cifar(20, Samples.CLASSES);
        Network student = ResNet.cifar(8, Samples.CLASSES);
        TrainingStep step =
            TrainingStep.builder(student, teacher)
                .inputShape(3, 32, 32)
                .crossEntropy(0.1)
                .add(0.9, KdLoss.of(4))
                .optimizer(Sgd.of(LinearStep.LEARNING_RATE))
                .build();
        DatasetBatches batches =
            DatasetBatches.builder(data)
                .size(BATCH)
                .augmentation(augmentation)
                .prefetch(prefetch)
                .build()) {
      StepResult result = step.newResult();
      run(step, batches, result, WARM_UP);
      long waited = batches.waitedNanos();
      long start = System.nanoTime();
      run(step, batches, result, steps);
      long all = System.nanoTime() - start;
      waited = batches.waitedNanos() - waited;
      System.out.printf(
          Locale.ROOT,
          "| %d | %.1f | %.3f | %.2f %% |%n",
          prefetch,
          (all - waited) / 1e6 / steps,
          waited / 1e6 / steps,
          100.0 * waited / all);
    }
  }

  static void run(TrainingStep step, DatasetBatches batches, StepResult result, int steps) {
    for (int i = 0; i < steps; i++) {
      if (i % batches.stepsPerEpoch() == 0) {
        batches.startEpoch(i / batches.stepsPerEpoch());
      }
      Batch batch = batches.next();
      step.run(batch.images(), batch.labels(), batch.indices(), result);
    }
  }
}
