package org.retort.examples.interop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.retort.Retort;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.models.ResNet;

final class BytedecoStudentTest {
  @Test
  void learn_sameImages_lossFallsAndNothingStaysOpen() {
    Retort.manualSeed(1);
    try (Network teacher = ResNet.cifar(8, 10, 1);
        BytedecoStudent student = new BytedecoStudent(teacher);
        Tensor images = torch.randn(16, 1, 8, 8)) {
      double first = student.learn(images);
      long pointers = Pointer.totalCount();
      double last = first;
      for (int i = 0; i < 100; i++) {
        last = student.learn(images);
      }
      assertThat(last).isLessThan(first / 2);
      assertThat(Pointer.totalCount()).isLessThanOrEqualTo(pointers);
    }
  }

  @Test
  void norms_weightsThatWereWritten_areThoseOfTheNetwork() {
    try (Network network = Mlp.of(64, 10)) {
      network
          .stateDict()
          .forEach(
              (name, weight) -> {
                try (weight;
                    Scalar half = new Scalar(0.5)) {
                  weight.fill_(half).close();
                }
              });
      assertThat(BytedecoStudent.norms(network).values())
          .first()
          .satisfies(norm -> assertThat(norm).isCloseTo(0.5 * Math.sqrt(640), within(1e-5)));
    }
  }
}
