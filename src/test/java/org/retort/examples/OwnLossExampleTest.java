package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.retort.Retort;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.OwnLosses;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/** A service's two halves: the student learns by the loss, and other threads ask it. */
final class OwnLossExampleTest {
  private static final int STEPS = 5;

  @Test
  void programAndLibrary_trainAlikeWhileTheStudentServes() {
    double[] byProgram =
        train(
            (student, teacher) -> OwnLossExample.withProgram(student, teacher, OwnLosses.PROGRAM));
    double[] byLibrary =
        train(
            (student, teacher) ->
                OwnLossExample.withLibrary(student, teacher, OwnLosses.builtLibrary()));
    assertThat(byLibrary[0]).isPositive();
    for (int i = 0; i < STEPS; i++) {
      assertThat(byProgram[i]).isCloseTo(byLibrary[i], within(1e-3 * byLibrary[i]));
    }
    assertThat(byLibrary[STEPS - 1]).isLessThan(byLibrary[0]);
  }

  /** Returns the loss of each step, on the same images. */
  private static double[] train(BiFunction<Network, Network, TrainingStep> maker) {
    Retort.manualSeed(1);
    double[] losses = new double[STEPS];
    float[] images = new float[4 * 3 * 32 * 32];
    for (int i = 0; i < images.length; i++) {
      images[i] = (i * 7919L % 1000) / 500f - 1;
    }
    try (Network teacher = ResNet.cifar(8, 10);
        Network student = ResNet.cifar(8, 10);
        TrainingStep step = maker.apply(student, teacher);
        Tensor asked = Tensor.create(images, 4, 3, 32, 32)) {
      StepResult result = step.newResult();
      for (int i = 0; i < STEPS; i++) {
        CompletableFuture<Long> answer =
            CompletableFuture.supplyAsync(
                () -> {
                  try (Tensor logits = student.predict(asked)) {
                    return logits.size(1);
                  }
                });
        step.run(StepInput.of(images, new long[] {1, 2, 3, 4}), result);
        assertThat(answer.join()).isEqualTo(10);
        losses[i] = result.term(0);
      }
    }
    return losses;
  }
}
