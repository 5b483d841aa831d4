package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;

import org.junit.jupiter.api.Test;

final class ImageShapeTest {
  @Test
  void sizes_outOfRange_areRejected() {
    assertIllegal(() -> new ImageShape(0, 1, 1), "ImageShape: channels must be at least 1 (got 0)");
    assertIllegal(() -> new ImageShape(1, 0, 1), "ImageShape: height must be at least 1 (got 0)");
    assertIllegal(() -> new ImageShape(1, 1, 0), "ImageShape: width must be at least 1 (got 0)");
    assertThat(new ImageShape(1, 1, 536_870_911).values()).isEqualTo(536_870_911);
    assertThat(new ImageShape(536_870_911, 1, 1).values()).isEqualTo(536_870_911);
    assertIllegal(
        () -> new ImageShape(2, 1, 268_435_456),
        "ImageShape: shape must fit an image into 2 GiB (got [2, 1, 268435456])");
    assertIllegal(
        () -> new ImageShape(1, 536_870_912, 1),
        "ImageShape: shape must fit an image into 2 GiB (got [1, 536870912, 1])");
  }
}
