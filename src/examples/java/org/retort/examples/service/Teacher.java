package org.retort.examples.service;

import java.nio.file.Files;
import java.nio.file.Path;
import org.retort.data.Augmentation;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.Adam;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;

/** The large network: a ResNet-20 that has seen every label of the training images. */
public final class Teacher {
  private static final int DEPTH = 20;
  private static final int BATCH = 64;

  private Teacher() {}

  /** Loads the teacher from {@code file}; trains it and writes the file if there is none. */
  public static Network load(Path file, int epochs) {
    Network teacher = ResNet.cifar(DEPTH, Digits.CLASSES, Digits.CHANNELS);
    try {
      if (Files.exists(file)) {
        teacher.loadStateDict(file);
      } else {
        train(teacher, epochs);
        teacher.saveStateDict(file);
      }
      return teacher;
    } catch (RuntimeException e) {
      teacher.close();
      throw e;
    }
  }

  private static void train(Network teacher, int epochs) {
    try (DatasetBatches batches =
            DatasetBatches.builder(Digits.load().train())
                .size(BATCH)
                .augmentation(Augmentation.shift(1))
                .build();
        TrainingStep step =
            TrainingStep.builder(teacher)
                .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
                .crossEntropy(1)
                .optimizer(Adam.of(2e-3))
                .build()) {
      Trainer.builder(step, batches).epochs(epochs).build().run();
    }
  }
}
