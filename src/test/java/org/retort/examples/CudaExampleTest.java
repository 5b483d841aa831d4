package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.examples.interop.BytedecoStudent;
import org.retort.models.Network;
import org.retort.models.ResNet;

/** On a GPU, if there is one. */
final class CudaExampleTest {
  @AutoClose private final Network student = ResNet.cifar(8, 10);
  @AutoClose private final Network teacher = ResNet.cifar(8, 10);
  private final Batch batch = Batch.allocate(2, 3, 32, 32);

  @Test
  void run_batch_trains() {
    assertTrains(() -> CudaExample.run(student, teacher, batch), "require_cuda: ");
  }

  @Test
  void runLate_batches_trains() {
    if (Retort.isCudaAvailable()) {
      student.moveTo("cuda");
      teacher.moveTo("cuda");
    }
    assertTrains(
        () -> CudaExample.runLate(student, teacher, new SameBatch(batch, 6)),
        "TrainingStep: student must be on a GPU for a CUDA graph");
  }

  /** Without a GPU, the example must say so. */
  private void assertTrains(Runnable example, String otherwise) {
    if (Retort.isCudaAvailable()) {
      Map<String, Double> before = BytedecoStudent.norms(student);
      example.run();
      assertThat(BytedecoStudent.norms(student)).isNotEqualTo(before);
    } else {
      assertThatThrownBy(example::run)
          .isInstanceOf(RetortException.class)
          .hasMessageStartingWith(otherwise);
    }
  }

  private record SameBatch(Batch next, int stepsPerEpoch) implements Batches {
    @Override
    public void startEpoch(int epoch) {}
  }
}
