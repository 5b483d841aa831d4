package org.retort.examples;

import java.nio.file.Path;
import org.retort.Retort;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.Evaluation;
import org.retort.train.Sgd;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingStepBuilder;

/** Trains a ResNet-20 on handwritten digits and distils it into a ResNet-8. */
public final class ReadmeExample {
  public static void main(String[] args) {
    Retort.manualSeed(1);
    Digits digits = Digits.load();
    int[] labeled = digits.labeled(1, 5); // all that the student knows: five labels per class
    try (Network teacher = ResNet.cifar(20, Digits.CLASSES, Digits.CHANNELS);
        Network student = ResNet.cifar(8, Digits.CLASSES, Digits.CHANNELS);
        DatasetBatches all = DatasetBatches.builder(digits.train()).size(64).build();
        DatasetBatches few =
            DatasetBatches.builder(digits.train()).size(96).labeled(labeled, 32).build();
        DatasetBatches test = DatasetBatches.inOrder(digits.test(), 359)) {
      train(TrainingStep.builder(teacher).crossEntropy(1), all);
      train(TrainingStep.builder(student, teacher).crossEntropy(0.1).add(0.9, KdLoss.of(4)), few);
      System.out.printf("teacher: %.1f %% correct%n", 100 * Evaluation.accuracy(teacher, test));
      System.out.printf("student: %.1f %% correct%n", 100 * Evaluation.accuracy(student, test));
      student.saveStateDict(Path.of("student.pt"));
    }
  }

  private static void train(TrainingStepBuilder options, DatasetBatches batches) {
    try (TrainingStep step =
        options
            .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
            .optimizer(Sgd.of(0.05).withMomentum(0.9).withWeightDecay(5e-4))
            .build()) {
      Trainer.builder(step, batches).epochs(10).build().run();
    }
  }
}
