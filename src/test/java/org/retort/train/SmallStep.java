package org.retort.train;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Map;
import org.retort.Retort;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;

/** Two small ResNets and a batch of four images; the same ones every time. */
final class SmallStep implements AutoCloseable {
  static final int BATCH = 4;
  static final int CLASSES = 5;
  static final int[] SHAPE = {3, 8, 8};
  static final int IMAGE = SHAPE[0] * SHAPE[1] * SHAPE[2];

  final Network student;
  final Network teacher;
  final TrainingStep step;
  final StepResult result;
  final FloatBuffer images = Buffers.random(1, BATCH * IMAGE);
  final LongBuffer labels = Buffers.longs(0, 4, 2, 1);
  final LongBuffer indices = Buffers.longs(7, 3, 0, 5);

  SmallStep() {
    Retort.manualSeed(2);
    student = ResNet.cifar(8, CLASSES);
    teacher = ResNet.cifar(8, CLASSES);
    step = builder(student, teacher).build();
    result = step.newResult();
  }

  /** Starts a step with cross-entropy, KD and momentum. */
  static TrainingStepBuilder builder(Network student, Network teacher) {
    return builder(student, Teacher.of(teacher));
  }

  /** Starts the same with options of the teacher. */
  static TrainingStepBuilder builder(Network student, Teacher teacher) {
    return TrainingStep.builder(student, teacher)
        .inputShape(SHAPE[0], SHAPE[1], SHAPE[2])
        .crossEntropy(0.1)
        .add(0.9, KdLoss.of(4))
        .optimizer(Sgd.of(0.05).withMomentum(0.9).withWeightDecay(5e-4));
  }

  void run() {
    step.run(images, labels, indices, result);
  }

  /** Runs some steps and returns the state after them. */
  Map<String, ByteBuffer> stateAfter(int steps) {
    runSteps(steps);
    return state();
  }

  void runSteps(int steps) {
    for (int i = 0; i < steps; i++) {
      run();
    }
  }

  /** Returns everything that a step changes. */
  Map<String, ByteBuffer> state() {
    return Bits.of(step.state());
  }

  /** Returns what the last step computed. */
  double[] numbers() {
    return numbers(result);
  }

  /** Returns the numbers of a result that don't depend on the clock. */
  static double[] numbers(StepResult result) {
    double[] numbers = result.values().clone();
    numbers[StepResult.NANOSECONDS] = 0;
    return numbers;
  }

  @Override
  public void close() {
    step.close();
    teacher.close();
    student.close();
  }
}
