package org.retort.examples;

import java.nio.file.Path;
import org.retort.losses.FspLoss;
import org.retort.models.Network;
import org.retort.models.Preprocessing;
import org.retort.train.Adam;
import org.retort.train.CrossEntropy;
import org.retort.train.MemoryFormat;
import org.retort.train.Precision;
import org.retort.train.Schedule;
import org.retort.train.Sgd;
import org.retort.train.Stage;
import org.retort.train.Taps;
import org.retort.train.Teacher;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingStepBuilder;

/** Options of a training step, as in docs/training.md. */
final class OptionsExample {
  private OptionsExample() {}

  static TrainingStepBuilder builder(Network student, Network teacher, Path cache) {
    TrainingStepBuilder builder =
        TrainingStep.builder(
                student,
                Teacher.of(teacher).withPrecision(Precision.BFLOAT16).withCache(50_000, cache))
            .preprocessing(
                Preprocessing.of(3, 32, 32)
                    .withNormalization(
                        new double[] {0.507, 0.487, 0.441}, new double[] {0.267, 0.256, 0.276}))
            .stages(
                // first the layers by FSP alone, as in its paper
                Stage.of(Sgd.of(0.1))
                    .withCrossEntropy(0)
                    .add(1, FspLoss.consecutive(), Taps.of("stem", "layer1", "layer2", "layer3"))
                    .withTrainOnly("conv1", "bn1", "layer1", "layer2", "layer3")
                    .withSteps(10_000),
                // then the whole student by the labels
                Stage.of(
                        Adam.of(1e-3)
                            .withDecoupled(true)
                            .withWeightDecay(0.05)
                            .withDecayNormsAndBiases(false)
                            .withSchedule(Schedule.cosine(90_000).withWarmup(1_000)))
                    .withCrossEntropy(CrossEntropy.of(1).withLabelSmoothing(0.1)))
            .accumulate(4)
            .clipNorm(1)
            .skipNonFinite()
            .memoryFormat(MemoryFormat.AUTO);
    return builder;
  }
}
