package org.retort.benchmarks;

import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/** A step of several milliseconds: a ResNet-20 is distilled into a ResNet-8. */
@State(Scope.Thread)
public class ResNetStep {
  private static final int BATCH = 16;

  private final Samples samples = Samples.random(BATCH, 3 * 32 * 32);
  private final Network teacher = ResNet.cifar(20, Samples.CLASSES);
  private final Network student = ResNet.cifar(8, Samples.CLASSES);
  private final TrainingStep step =
      TrainingStep.builder(student, teacher)
          .inputShape(3, 32, 32)
          .crossEntropy(0.1)
          .add(0.9, KdLoss.of(4))
          .optimizer(Sgd.of(LinearStep.LEARNING_RATE))
          .build();
  final StepResult result = step.newResult();

  void run() {
    step.run(samples.images(), samples.labels(), null, result);
  }

  /** Frees the native objects. */
  @TearDown
  public void close() {
    step.close();
    student.close();
    teacher.close();
  }
}
