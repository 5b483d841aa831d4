package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What C++ tests of the draws themselves is not repeated here. */
final class AugmentationTest {
  private static final int HEIGHT = 5;
  private static final int WIDTH = 6;
  private static final ImageShape SHAPE = new ImageShape(2, HEIGHT, WIDTH);
  private static final int VALUES = 2 * HEIGHT * WIDTH;

  @Test
  void shift_image_isMovedAndFilledWithZeros() {
    Set<String> moves = new HashSet<>();
    for (int round = 0; round < 100; round++) {
      float[] augmented = augment(Augmentation.shift(1), 3, 1, round);
      moves.add(moveOf(augmented, 1, false, false));
    }
    assertThat(moves).hasSize(9);
  }

  @Test
  void crop_image_isAsShifted() {
    for (int round = 0; round < 20; round++) {
      assertThat(augment(Augmentation.builder().crop(2).build(), 3, 1, round))
          .isEqualTo(augment(Augmentation.shift(2), 3, 1, round));
    }
  }

  @Test
  void reflectedCrop_image_isFilledWithItsMirrorImage() {
    Augmentation augmentation = Augmentation.builder().reflectedCrop(3).build();
    Set<String> moves = new HashSet<>();
    for (int round = 0; round < 500; round++) {
      moves.add(moveOf(augment(augmentation, 3, 1, round), 3, true, false));
    }
    assertThat(moves).hasSize(49);
  }

  @Test
  void flip_image_isMirroredWithThatProbability() {
    assertThat(moveOf(augment(Augmentation.builder().flip(1).build(), 3, 1, 0), 0, false, true))
        .isEqualTo("0 0");
    Augmentation sometimes = Augmentation.builder().flip(0.5).build();
    int mirrored = 0;
    for (int round = 0; round < 1000; round++) {
      mirrored += augment(sometimes, 3, 1, round)[0] == value(0, 0, 0) ? 0 : 1;
    }
    assertThat(mirrored).isBetween(420, 580);
  }

  @Test
  void normalize_channels_areShiftedAndScaled() {
    Augmentation augmentation =
        Augmentation.builder()
            .shift(1)
            .normalize(new double[] {0.5, 0.25}, new double[] {0.5, 0.125})
            .build();
    float[] plain = augment(Augmentation.shift(1), 3, 1, 0);
    float[] normalized = augment(augmentation, 3, 1, 0);
    for (int i = 0; i < VALUES; i++) {
      assertThat(normalized[i]).isEqualTo(i < VALUES / 2 ? plain[i] * 2 - 1 : plain[i] * 8 - 2);
    }
    float[] unmoved = augment(augmentation.withoutDraws(), 3, 1, 0);
    for (int i = 0; i < VALUES; i++) {
      float value = value(i / (HEIGHT * WIDTH), i / WIDTH % HEIGHT, i % WIDTH);
      assertThat(unmoved[i]).isEqualTo(i < VALUES / 2 ? value * 2 - 1 : value * 8 - 2);
    }
  }

  @Test
  void apply_seedRoundAndIndex_decide() {
    Augmentation augmentation = Augmentation.builder().reflectedCrop(3).flip(0.5).build();
    float[] augmented = augment(augmentation, 3, 1, 2);
    assertThat(augment(augmentation, 3, 1, 2)).isEqualTo(augmented);
    assertThat(augment(augmentation, 4, 1, 2)).isNotEqualTo(augmented);
    assertThat(augment(augmentation, 3, 2, 2)).isNotEqualTo(augmented);
    assertThat(augment(augmentation, 3, 1, 3)).isNotEqualTo(augmented);
  }

  @Test
  void builder_badArguments_throw() {
    Augmentation.Builder builder = Augmentation.builder();
    assertThatThrownBy(() -> builder.crop(-1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Augmentation.Builder.crop: padding must be between 0 and 1048576 (got -1)");
    assertThatThrownBy(() -> builder.reflectedCrop(-1))
        .hasMessageContaining("Augmentation.Builder.reflectedCrop: padding must be");
    assertThatThrownBy(() -> builder.shift(1 << 21))
        .hasMessageContaining("Augmentation.Builder.shift: pixels must be");
    assertThatThrownBy(() -> builder.flip(Double.NaN))
        .hasMessage("Augmentation.Builder.flip: probability must be between 0 and 1 (got NaN)");
    assertThatThrownBy(() -> builder.normalize(new double[1], new double[2]))
        .hasMessage(
            "Augmentation.Builder.normalize: mean and deviation must have the same length, at least 1"
                + " (got 1 and 2)");
    assertThatThrownBy(() -> builder.normalize(new double[] {1}, new double[] {0}))
        .hasMessage(
            "Augmentation.Builder.normalize: deviation must be positive and finite (got 0.0)");
    assertThatThrownBy(() -> builder.normalize(new double[] {1 / 0.0}, new double[] {1}))
        .hasMessage("Augmentation.Builder.normalize: mean must be finite (got Infinity)");
    assertThatThrownBy(() -> builder.normalize(null, new double[] {1}))
        .hasMessage("Augmentation.Builder.normalize: mean must be given (got null)");
  }

  @Test
  void augmentation_thatDoesNotFitTheImages_isRefusedByTheBatches() {
    NumberedDataset data = new NumberedDataset(9);
    Augmentation reflected = Augmentation.builder().reflectedCrop(3).build();
    assertThatThrownBy(() -> DatasetBatches.builder(data).size(3).augmentation(reflected).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "DatasetBatches.Builder.build: padding must be less than the images' rows and columns"
                + " to be reflected (got 3 for 3)");
    Augmentation three =
        Augmentation.builder().normalize(new double[3], new double[] {1, 1, 1}).build();
    assertThatThrownBy(() -> DatasetBatches.inOrder(data, 3, three))
        .hasMessage(
            "DatasetBatches.inOrder: mean must be one for each of 2 channels, or one (got 3)");
  }

  private static float value(int channel, int row, int column) {
    return (1 + (channel * HEIGHT + row) * WIDTH + column) / 64f;
  }

  private static float[] augment(Augmentation augmentation, long index, long seed, long round) {
    Batch from = Batch.allocate(1, 2, HEIGHT, WIDTH);
    for (int i = 0; i < VALUES; i++) {
      from.images().put(i, (1 + i) / 64f);
    }
    from.indices().put(0, index);
    Batch to = Batch.allocate(1, 2, HEIGHT, WIDTH);
    augmentation.apply(from.images(), from.indices(), to.images(), SHAPE, seed, round);
    float[] augmented = new float[VALUES];
    to.images().get(0, augmented);
    return augmented;
  }

  /** Finds by how much an image was moved; fails if it is none of the moves. */
  private static String moveOf(float[] augmented, int most, boolean reflect, boolean mirrored) {
    for (int dy = -most; dy <= most; dy++) {
      for (int dx = -most; dx <= most; dx++) {
        if (isMoved(augmented, dy, dx, reflect, mirrored)) {
          return dy + " " + dx;
        }
      }
    }
    throw new AssertionError("not a move of the image");
  }

  private static boolean isMoved(
      float[] augmented, int dy, int dx, boolean reflect, boolean mirrored) {
    for (int i = 0; i < VALUES; i++) {
      int channel = i / (HEIGHT * WIDTH);
      int row = inside(i / WIDTH % HEIGHT + dy, HEIGHT, reflect);
      int place = mirrored ? WIDTH - 1 - i % WIDTH : i % WIDTH;
      int column = inside(place + dx, WIDTH, reflect);
      float expected = row < 0 || column < 0 ? 0 : value(channel, row, column);
      if (augmented[i] != expected) {
        return false;
      }
    }
    return true;
  }

  private static int inside(int place, int size, boolean reflect) {
    if (place >= 0 && place < size) {
      return place;
    }
    return !reflect ? -1 : place < 0 ? -place : 2 * (size - 1) - place;
  }
}
