package org.retort.examples;

import java.nio.file.Path;
import org.retort.losses.FspLoss;
import org.retort.models.Network;
import org.retort.train.Adam;
import org.retort.train.CrossEntropy;
import org.retort.train.MemoryFormat;
import org.retort.train.Precision;
import org.retort.train.Schedule;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

/** The README's second example: more of what a training step can do. */
final class OptionsExample {
  private OptionsExample() {}

  static TrainingStep.Builder builder(Network student, Network teacher, Path cache) {
    return TrainingStep.builder(student, teacher)
        .inputShape(3, 32, 32)
        .normalize(new double[] {0.507, 0.487, 0.441}, new double[] {0.267, 0.256, 0.276})
        .crossEntropy(0) // first the layers by FSP alone, as in its paper
        .add(1, FspLoss.consecutive(), Taps.of("stem", "layer1", "layer2", "layer3"))
        .train("conv1", "bn1", "layer1", "layer2", "layer3")
        .nextStage(10_000) // then the whole student by the labels
        .crossEntropy(CrossEntropy.weight(1).labelSmoothing(0.1))
        .optimizer(
            Adam.learningRate(1e-3)
                .decoupledWeightDecay(0.05)
                .withoutDecayOfNormsAndBiases()
                .schedule(Schedule.cosine(90_000).warmUp(1_000)))
        .accumulate(4)
        .clipNorm(1)
        .skipNonFinite()
        .memoryFormat(MemoryFormat.AUTO)
        .teacherPrecision(Precision.BFLOAT16)
        .cacheTeacher(50_000, cache);
  }
}
