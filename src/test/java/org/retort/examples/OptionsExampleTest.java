package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

final class OptionsExampleTest {
  @TempDir private Path folder;

  @Test
  void builder_trainsOnBytes() {
    try (Network teacher = ResNet.cifar(14, 10);
        Network student = ResNet.cifar(8, 10);
        TrainingStep step =
            OptionsExample.builder(student, teacher, folder.resolve("cache")).build()) {
      StepResult result = step.newResult();
      for (int i = 0; i < 4; i++) {
        step.run(
            StepInput.of(new byte[2 * 3 * 32 * 32], new long[] {1, 2})
                .withIndices(new long[] {7, 49_999}),
            result);
      }
      assertThat(result.updated()).isTrue();
    }
  }
}
