package org.retort.examples;

import org.retort.Retort;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/** The examples of docs/cuda.md. */
final class CudaExample {
  private CudaExample() {}

  static void run(Network student, Network teacher, Batch batch) {
    Retort.requireCuda(); // or says what is missing
    student.moveTo("cuda");
    teacher.moveTo("cuda");
    try (TrainingStep step =
        TrainingStep.builder(student, teacher)
            .inputShape(3, 32, 32)
            .add(1, KdLoss.of(4))
            .optimizer(Sgd.of(0.05))
            .build()) {
      StepResult result = step.newResult();
      step.run(batch, result); // from buffers in the CPU's memory, as usual
    }
  }

  static void runLate(Network student, Network teacher, Batches batches) {
    try (TrainingStep step =
        TrainingStep.builder(student, teacher)
            .inputShape(3, 32, 32)
            .add(1, KdLoss.of(4))
            .optimizer(Sgd.of(0.05))
            .lateResults(true)
            .cudaGraph(true) // recorded once and replayed
            .build()) {
      StepResult result = step.newResult();
      for (int i = 0; i < batches.stepsPerEpoch(); i++) {
        step.run(batches.next(), result); // reports the step before
      }
      step.finish(result); // waits for the last one
    }
  }
}
