package org.retort.examples;

import java.nio.file.Path;
import java.util.Random;
import org.retort.Retort;
import org.retort.data.Batch;
import org.retort.losses.CrdLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

/** Distils a ResNet-20 into a ResNet-8, on noise in place of your images. */
public final class ReadmeExample {
  public static void main(String[] args) {
    Retort.manualSeed(1);
    try (Network teacher = ResNet.cifar(20, 10); // load trained weights with loadStateDict(file)
        Network student = ResNet.cifar(8, 10);
        TrainingStep step =
            TrainingStep.builder(student, teacher)
                .inputShape(3, 32, 32)
                .crossEntropy(0.1)
                .add(0.9, KdLoss.of(4))
                .add(50, NstLoss.polynomial(), Taps.of("layer2", "layer3"))
                .add(0.8, CrdLoss.forSamples(50_000).withNegatives(4096), Taps.of("embedding"))
                .optimizer(Sgd.of(0.05).withMomentum(0.9).withWeightDecay(5e-4))
                .build()) {
      Batch batch = Batch.allocate(64, 3, 32, 32); // direct buffers, read without a copy
      StepResult result = step.newResult(); // reused: the loop allocates nothing
      Random random = new Random(1);
      for (int i = 1; i <= 10; i++) {
        fill(batch, random);
        step.run(batch, result);
        System.out.printf(
            "step %2d: loss %.3f, %d of %d correct%n",
            i, result.total(), result.correct(), result.labeled());
      }
      student.saveStateDict(Path.of("student.pt"));
    }
  }

  private static void fill(Batch batch, Random random) {
    for (int i = 0; i < batch.images().capacity(); i++) {
      batch.images().put(i, (float) random.nextGaussian());
    }
    for (int i = 0; i < batch.size(); i++) {
      batch.labels().put(i, random.nextInt(10));
      batch.indices().put(i, random.nextInt(50_000)); // which of the data set's images it is
    }
  }
}
