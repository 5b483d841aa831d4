package org.retort;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.ByteBuffer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.testing.Bits;

final class RetortTest {
  @AutoClose private final PointerScope scope = new PointerScope();

  @Test
  void version_always_isThreeNumbers() {
    assertThat(Retort.version()).matches("\\d+\\.\\d+\\.\\d+");
  }

  @Test
  void cpuKernels_always_isAnInstructionSet() {
    assertThat(Retort.cpuKernels()).isIn("baseline", "avx2", "avx512");
  }

  @Test
  void setThreads_number_isThatOfBytedecoToo() {
    int before = Retort.threads();
    try {
      Retort.setThreads(3);
      assertThat(Retort.threads()).isEqualTo(3);
      assertThat(torch.get_num_threads()).isEqualTo(3);
    } finally {
      Retort.setThreads(before);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, 4097})
  void setThreads_outOfRange_isRejected(int threads) {
    assertIllegal(
        () -> Retort.setThreads(threads),
        "Retort.setThreads: threads must be between 1 and 4096 (got " + threads + ")");
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
