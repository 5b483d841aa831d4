package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.retort.Retort;
import org.retort.losses.KdLoss;
import org.retort.models.Convolution;
import org.retort.models.Network;
import org.retort.models.ResNet;

final class ConvolutionTest {
  private static Network network() {
    return ResNet.cifarX4(8, 4);
  }

  @Test
  void network_winogradByDefault_keepsWhatIsSet() {
    try (Network network = network()) {
      assertThat(network.convolution()).isEqualTo(Convolution.WINOGRAD);
      for (Convolution algorithm : Convolution.values()) {
        network.setConvolution(algorithm);
        assertThat(network.convolution()).isEqualTo(algorithm);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Convolution.class)
  void step_withOne_givesItToAllNetworks(Convolution algorithm) {
    try (Network student = network();
        Network first = network();
        Network second = network();
        TrainingStep step =
            TrainingStep.builder(student, Teacher.of("a", first), Teacher.of("b", second))
                .inputShape(3, 16, 16)
                .convolution(algorithm)
                .build()) {
      assertThat(step.steps()).isZero();
      assertThat(student.convolution()).isEqualTo(algorithm);
      assertThat(first.convolution()).isEqualTo(algorithm);
      assertThat(second.convolution()).isEqualTo(algorithm);
    }
  }

  @Test
  void step_withoutOne_leavesItToTheNetworks() {
    try (Network student = network();
        Network teacher = network()) {
      teacher.setConvolution(Convolution.DIRECT);
      TrainingStep.builder(student, Teacher.of(teacher)).inputShape(3, 16, 16).build().close();
      assertThat(student.convolution()).isEqualTo(Convolution.WINOGRAD);
      assertThat(teacher.convolution()).isEqualTo(Convolution.DIRECT);
    }
  }

  @Test
  void step_ofEach_differsByRoundingAlone() {
    double direct = loss(Optional.of(Convolution.DIRECT));
    double winograd = loss(Optional.of(Convolution.WINOGRAD));
    assertThat(winograd).isCloseTo(direct, within(1e-5 * direct)).isNotEqualTo(direct);
    assertThat(loss(Optional.empty())).as("by default").isEqualTo(winograd);
    assertThat(loss(Optional.of(Convolution.AUTO))).isCloseTo(direct, within(1e-5 * direct));
  }

  private static double loss(Optional<Convolution> algorithm) {
    Retort.manualSeed(1);
    try (Network student = network();
        Network teacher = network()) {
      TrainingStepBuilder builder =
          TrainingStep.builder(student, Teacher.of(teacher))
              .inputShape(3, 16, 16)
              .add(1, KdLoss.of(4));
      algorithm.ifPresent(builder::convolution);
      try (TrainingStep step = builder.build()) {
        Random random = new Random(1);
        float[] images = new float[8 * 3 * 16 * 16];
        for (int i = 0; i < images.length; i++) {
          images[i] = (float) random.nextGaussian();
        }
        StepResult result = step.newResult();
        step.run(StepInput.of(images, new long[] {0, 1, 2, 3, 0, 1, 2, 3}), result);
        return result.total();
      }
    }
  }

  @Test
  void null_isRefused() {
    try (Network network = network()) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> network.setConvolution(null))
          .withMessageContaining("algorithm");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> TrainingStep.builder(network).convolution(null))
          .withMessageContaining("algorithm");
    }
  }

  @Test
  void closedNetwork_isRefused() {
    Network network = network();
    network.close();
    assertThatIllegalStateException().isThrownBy(network::convolution);
    assertThatIllegalStateException().isThrownBy(() -> network.setConvolution(Convolution.AUTO));
  }
}
