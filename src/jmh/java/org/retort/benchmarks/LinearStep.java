package org.retort.benchmarks;

import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/** Retort's step on a linear layer, in which the arithmetic takes next to nothing. */
@State(Scope.Thread)
public class LinearStep {
  static final int BATCH = 32;
  static final int INPUTS = 64;
  static final double LEARNING_RATE = 0.05;

  final Samples samples = Samples.random(BATCH, INPUTS);
  final Network student = Mlp.of(INPUTS, Samples.CLASSES);
  final TrainingStep step =
      TrainingStep.builder(student).inputShape(INPUTS).optimizer(Sgd.of(LEARNING_RATE)).build();
  final StepResult result = step.newResult();

  void run() {
    step.run(samples.images(), samples.labels(), null, result);
  }

  /** Frees the native objects. */
  @TearDown
  public void close() {
    step.close();
    student.close();
  }
}
