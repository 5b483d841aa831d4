package org.retort;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.retort.testing.Failures.assertIllegal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.losses.OfdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.Bits;
import org.retort.testing.ResidentMemory;
import org.retort.testing.Threads;

final class RetortTest {
  @AutoClose private final PointerScope scope = new PointerScope();

  @Test
  void version_always_isThreeNumbers() {
    assertThat(Retort.version()).matches("\\d+\\.\\d+\\.\\d+");
  }

  @Test
  void isAvailable_loaded_isTrueWithoutACause() {
    assertThat(Retort.isAvailable()).isTrue();
    assertThat(Retort.unavailabilityCause()).isNull();
  }

  @Test
  void cpuKernels_always_isAnInstructionSet() {
    assertThat(Retort.cpuKernels()).isIn("baseline", "avx2", "avx512");
  }

  @Test
  void requireCuda_withoutCuda_saysWhatIsMissing() {
    assumeFalse(Retort.isCudaAvailable());
    assertThatThrownBy(Retort::requireCuda)
        .isInstanceOf(RetortException.class)
        .hasMessageMatching("require_cuda: CUDA must be available \\(got [^\\n]+\\)");
  }

  /** With {@code -Pcuda} on a machine with or without a GPU. */
  @Test
  void nativesForCuda_tensorsOfTheCpu_areComputed() throws IOException {
    assumeTrue("-gpu".equals(System.getProperty("org.bytedeco.javacpp.platform.extension")));
    try (Network network = ResNet.cifar(8, 3)) {
      assertThat(network.predict(torch.zeros(2, 3, 8, 8)).shape()).containsExactly(2, 3);
    }
    try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
      assertThat(maps).anyMatch(map -> map.endsWith("/libtorch_cuda.so"));
    }
  }

  @Test
  void requireCuda_withCuda_passes() {
    assumeTrue(Retort.isCudaAvailable());
    Retort.requireCuda();
  }

  @Test
  void threads_number_isThatOfBytedecoToo() {
    int before = Retort.threads();
    try {
      Retort.threads(3);
      assertThat(Retort.threads()).isEqualTo(3);
      assertThat(torch.get_num_threads()).isEqualTo(3);
    } finally {
      Retort.threads(before);
    }
  }

  @Test
  void threads_setByAnotherThread_holdForTheNextCall() throws Exception {
    int before = Retort.threads();
    try (Network network = ResNet.cifar(8, 3);
        Tensor images = torch.zeros(2, 3, 8, 8)) {
      network.predict(images).close();
      Threads.runAll(() -> Retort.threads(3));
      network.predict(images).close();
      assertThat(torch.get_num_threads()).isEqualTo(3);
    } finally {
      Retort.threads(before);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, 4097})
  void threads_outOfRange_isRejected(int threads) {
    assertIllegal(
        () -> Retort.threads(threads),
        "Retort.threads: threads must be between 1 and 4096 (got " + threads + ")");
  }

  @Test
  void releaseMemory_afterALoss_givesItsGradientBack() throws IOException {
    Tensor student = torch.zeros(16, 64, 128, 128).requires_grad_(true);
    OfdLoss.compute(student, torch.ones(16, 64, 128, 128), torch.zeros(64)).close();
    long before = residentKilobytes();

    Retort.releaseMemory();

    long gradient = 16 * 64 * 128 * 128 * Float.BYTES / 1024;
    assertThat(before - residentKilobytes()).isGreaterThan(gradient * 3 / 4);
  }

  private static long residentKilobytes() throws IOException {
    return ResidentMemory.kilobytes(ProcessHandle.current().pid());
  }

  @Test
  void manualSeed_same_givesTheSameNumbers() {
    Retort.manualSeed(-1);
    ByteBuffer first = Bits.of(torch.randn(8));
    assertThat(Bits.of(torch.randn(8))).isNotEqualTo(first);
    Retort.manualSeed(-1);
    assertThat(Bits.of(torch.randn(8))).isEqualTo(first);
  }
}
