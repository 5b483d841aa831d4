package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.Retort;
import org.retort.losses.CrdLoss;
import org.retort.losses.KdLoss;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.testing.Buffers;

/** Steps on a GPU, from and into buffers of the CPU's memory; skipped where there is none. */
final class CudaStepTest {
  private static final int BATCH = 4;
  private static final int INPUTS = 12;
  private static final int CLASSES = 3;
  private static final int STEPS = 8;

  @AutoClose private final PointerScope scope = new PointerScope();
  private final FloatBuffer images = Buffers.random(1, BATCH * INPUTS);
  private final LongBuffer labels = Buffers.longs(0, 2, 1, 2);
  private final LongBuffer indices = Buffers.longs(3, 0, 5, 1);

  @BeforeAll
  static void findGpu() {
    assumeTrue(Retort.isCudaAvailable(), "there is no GPU");
  }

  private static Network onGpu() {
    Network network = Mlp.of(INPUTS, 16, CLASSES);
    network.moveTo("cuda");
    return network;
  }

  private static TrainingStepBuilder builder(Network student, Network teacher) {
    return TrainingStep.builder(student, teacher)
        .inputShape(INPUTS)
        .crossEntropy(1)
        .add(0.5, KdLoss.of(4))
        .add(
            0.1,
            CrdLoss.forSamples(10).withNegatives(3).withZ(CrdLoss.Z.fixed(20, 20)),
            Taps.of("layer1"))
        .optimizer(Sgd.of(0.05).withMomentum(0.9));
  }

  @ParameterizedTest
  @CsvSource({"false, false", "true, false", "false, true", "true, true"})
  void run_fromBuffers_trains(boolean late, boolean graph) {
    try (Network student = onGpu();
        Network teacher = onGpu();
        TrainingStep step = builder(student, teacher).lateResults(late).cudaGraph(graph).build()) {
      StepResult result = step.newResult();
      for (int i = 0; i < STEPS; i++) {
        step.run(images, labels, indices, result);
      }
      assertThat(step.finish(result)).isEqualTo(late);
      assertThat(result.samples()).isEqualTo(BATCH);
      assertThat(result.graph()).as(step.graphObstacle()).isEqualTo(graph);
      assertThat(step.steps()).isEqualTo(STEPS);

      FloatBuffer logits = Buffers.floats(BATCH * CLASSES);
      student.predict(images, logits);
      step.publish();
      FloatBuffer published = Buffers.floats(BATCH * CLASSES);
      student.predict(images, published);
      for (int i = 0; i < logits.capacity(); i++) {
        assertThat(published.get(i)).isCloseTo(logits.get(i), within(1e-4f));
      }
    }
  }

  @Test
  void run_manySteps_learns() {
    try (Network student = onGpu();
        Network teacher = onGpu();
        TrainingStep step = builder(student, teacher).cudaGraph(true).build()) {
      StepResult result = step.newResult();
      step.run(images, labels, indices, result);
      double first = result.crossEntropy();
      for (int i = 0; i < 50; i++) {
        step.run(images, labels, indices, result);
      }
      assertThat(result.crossEntropy()).isLessThan(0.5 * first);
      assertThat(result.correct()).isEqualTo(BATCH);
    }
  }
}
