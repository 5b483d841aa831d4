package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class BatchTest {
  @Test
  void allocate_sizes_giveBuffersOfThatSize() {
    Batch batch = Batch.allocate(2, 3, 4, 5);
    assertThat(batch.size()).isEqualTo(2);
    assertThat(batch.images().remaining()).isEqualTo(120);
    assertThat(batch.labels().remaining()).isEqualTo(2);
    assertThat(batch.indices().remaining()).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 1, 1, 1, size must be at least 1 (got 0)",
    "1, 0, 1, 1, channels must be at least 1 (got 0)",
    "1, 1, -1, 1, height must be at least 1 (got -1)",
    "1, 1, 1, 0, width must be at least 1 (got 0)",
    "2, 1, 32768, 32768, size must fit the images into 2 GiB (got 2)",
    "1, 65536, 65536, 1, size must fit the images into 2 GiB (got 1)"
  })
  void allocate_sizeOutOfRange_isRejected(
      int size, int channels, int height, int width, String why) {
    assertThatThrownBy(() -> Batch.allocate(size, channels, height, width))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Batch.allocate: " + why);
  }
}
