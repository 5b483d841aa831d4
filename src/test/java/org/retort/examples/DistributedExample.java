package org.retort.examples;

import java.nio.file.Path;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.distributed.Ranks;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.Evaluation;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingSummary;

/** The documentation's training over several processes, each of which runs this. */
final class DistributedExample {
  private DistributedExample() {}

  static TrainingSummary train(Path weights, Path folder, int epochs) {
    Digits data = Digits.load();
    try (Ranks ranks = Ranks.fromEnvironment(); // one rank if RANK is not set
        Network teacher = ResNet.cifar(14, Digits.CLASSES, Digits.CHANNELS);
        Network student = ResNet.cifar(8, Digits.CLASSES, Digits.CHANNELS);
        DatasetBatches test = DatasetBatches.inOrder(data.test(), 256);
        DatasetBatches batches =
            DatasetBatches.builder(data.train())
                .size(64) // of all ranks
                .share(ranks.rank(), ranks.size())
                .build()) {
      teacher.loadStateDict(weights); // the same on all ranks
      try (TrainingStep step =
          TrainingStep.builder(student, teacher)
              .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
              .add(0.9, KdLoss.of(4))
              .ranks(ranks)
              .build()) {
        return Trainer.builder(step, batches)
            .epochs(epochs)
            .evaluate(() -> Evaluation.accuracy(student, test)) // on rank 0, for all
            .keep(folder) // which only rank 0 writes
            .resume()
            .build()
            .run();
      }
    }
  }

  /** Trains as one of several processes. */
  public static void main(String[] arguments) {
    int epochs = Integer.parseInt(arguments[2]);
    System.out.println(train(Path.of(arguments[0]), Path.of(arguments[1]), epochs));
  }
}
