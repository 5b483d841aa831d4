package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.data.Batch;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.Sgd;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingSummary;
import org.retort.train.TrainingSummary.End;

final class TrainerExampleTest {
  @AutoClose private final MeterRegistry registry = new SimpleMeterRegistry();

  @TempDir private Path folder;

  @Test
  void train_scoreThatCannotGrowForLong_stopsEarly() {
    Digits digits = Digits.load();
    int[] labeled = digits.labeled(0, 1);
    Batch blank = Batch.allocate(1, Digits.CHANNELS, Digits.SIDE, Digits.SIDE);
    try (DatasetBatches batches =
            DatasetBatches.builder(digits.train())
                .size(Digits.TRAIN_SIZE - labeled.length)
                .seed(1)
                .labeled(labeled, 4)
                .withoutOthers()
                .build();
        Network student = ResNet.cifar(8, Digits.CLASSES, Digits.CHANNELS);
        TrainingStep step =
            TrainingStep.builder(student)
                .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
                .crossEntropy(1)
                .optimizer(Sgd.of(0.1))
                .build()) {
      TrainingSummary summary =
          TrainerExample.train(step, batches, student, blank, folder, registry);
      assertThat(summary.end()).isEqualTo(End.STOPPED_EARLY);
      assertThat(summary.epochs()).isBetween(6, 11);
    }
    assertThat(folder.toFile().list())
        .containsExactlyInAnyOrder("best.pt", "last.pt", "last.checkpoint");
    assertThat(registry.get("retort.step").timer().count()).isPositive();
  }
}
