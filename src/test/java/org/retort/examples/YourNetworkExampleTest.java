package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.retort.data.Batch;
import org.retort.testing.Buffers;

final class YourNetworkExampleTest {
  private static final Path NETWORK = Path.of("native", "tests", "programs", "residual.pt2");

  @Test
  void trainAndServe_ofExportedNetworks_predicts() {
    Batch batch = Batch.allocate(4, 3, 64, 64);
    batch.images().put(Buffers.random(5, 4 * 3 * 64 * 64)).flip();
    batch.labels().put(new long[] {0, 2, 4, 6}).flip();
    try (Tensor logits =
        YourNetworkExample.trainAndServe(NETWORK, NETWORK, batch, Buffers.random(6, 3 * 64 * 64))) {
      assertThat(logits.sizes().vec().get()).containsExactly(1, 8);
      assertThat(Buffers.floats(logits).get(7)).isFinite();
    }
  }
}
