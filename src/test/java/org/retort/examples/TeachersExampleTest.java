package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

final class TeachersExampleTest {
  @Test
  void builder_learnsFromBoth() {
    try (Network fine = ResNet.cifar(14, 10);
        Network coarse = ResNet.cifar(8, 10);
        Network student = ResNet.cifar(8, 10);
        TrainingStep step = TeachersExample.builder(student, fine, coarse).build()) {
      StepResult result = step.newResult();
      step.run(StepInput.of(new float[2 * 3 * 32 * 32], new long[] {1, 2}), result);
      assertThat(result.updated()).isTrue();
      assertThat(coarse.inputShape()).containsExactly(3, 16, 16);
      assertThat(fine.inputShape()).containsExactly(3, 32, 32);
    }
  }
}
