package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
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
      assertThat(augment(Augmentation.none().withCrop(2), 3, 1, round))
          .isEqualTo(augment(Augmentation.shift(2), 3, 1, round));
    }
  }

  @Test
  void reflectedCrop_image_isFilledWithItsMirrorImage() {
    Augmentation augmentation = Augmentation.none().withReflectedCrop(3);
    Set<String> moves = new HashSet<>();
    for (int round = 0; round < 500; round++) {
      moves.add(moveOf(augment(augmentation, 3, 1, round), 3, true, false));
    }
    assertThat(moves).hasSize(49);
  }

  @Test
  void flip_image_isMirroredWithThatProbability() {
    assertThat(moveOf(augment(Augmentation.none().withFlip(1), 3, 1, 0), 0, false, true))
        .isEqualTo("0 0");
    Augmentation sometimes = Augmentation.none().withFlip(0.5);
    int mirrored = 0;
    for (int round = 0; round < 1000; round++) {
      mirrored += augment(sometimes, 3, 1, round)[0] == value(0, 0, 0) ? 0 : 1;
    }
    assertThat(mirrored).isBetween(420, 580);
  }

  @Test
  void normalize_channels_areShiftedAndScaled() {
    Augmentation augmentation =
        Augmentation.shift(1)
            .withNormalization(new double[] {0.5, 0.25}, new double[] {0.5, 0.125});
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
    Augmentation augmentation = Augmentation.none().withReflectedCrop(3).withFlip(0.5);
    float[] augmented = augment(augmentation, 3, 1, 2);
    assertThat(augment(augmentation, 3, 1, 2)).isEqualTo(augmented);
    assertThat(augment(augmentation, 4, 1, 2)).isNotEqualTo(augmented);
    assertThat(augment(augmentation, 3, 2, 2)).isNotEqualTo(augmented);
    assertThat(augment(augmentation, 3, 1, 3)).isNotEqualTo(augmented);
  }

  @Test
  void with_otherValue_changesThatOnly() {
    Augmentation augmentation =
        Augmentation.none()
            .withReflectedCrop(3)
            .withFlip(0.25)
            .withNormalization(new double[] {0.5}, new double[] {2});
    assertThat(augmentation)
        .isEqualTo(new Augmentation(3, true, 0.25, List.of(0.5), List.of(2.0)))
        .hasToString(
            "Augmentation[padding=3, reflected=true, flipProbability=0.25, mean=[0.5],"
                + " deviation=[2.0]]");
    assertThat(augmentation.withCrop(4).withFlip(1))
        .isEqualTo(new Augmentation(4, false, 1, List.of(0.5), List.of(2.0)));
    assertThat(augmentation.withShift(4)).isEqualTo(augmentation.withCrop(4));
    assertThat(augmentation.withNormalization(new double[0], new double[0]))
        .isEqualTo(Augmentation.none().withReflectedCrop(3).withFlip(0.25));
    assertThat(augmentation.withoutDraws())
        .isEqualTo(new Augmentation(0, false, 0, List.of(0.5), List.of(2.0)));
    assertThat(Augmentation.none())
        .isEqualTo(new Augmentation(0, false, 0, List.of(), List.of()))
        .isNotEqualTo(augmentation);
  }

  @Test
  void constructor_listThatChanges_isCopied() {
    List<Double> values = new ArrayList<>(List.of(0.5));
    Augmentation augmentation = new Augmentation(0, false, 0, values, values);
    values.set(0, 2.0);
    assertThat(augmentation.mean()).containsExactly(0.5);
    assertThat(augmentation.deviation()).containsExactly(0.5);
  }

  @Test
  void with_badArguments_throws() {
    Augmentation none = Augmentation.none();
    String padding = "Augmentation: padding must be between 0 and 1048576 (got %s)";
    assertRefused(() -> none.withCrop(-1), padding.formatted(-1));
    assertRefused(() -> none.withReflectedCrop(-2), padding.formatted(-2));
    assertRefused(() -> Augmentation.shift(1 << 21), padding.formatted(1 << 21));
    assertRefused(
        () -> none.withFlip(Double.NaN),
        "Augmentation: flipProbability must be between 0 and 1 (got NaN)");
    assertRefused(
        () -> none.withNormalization(new double[1], new double[2]),
        "Augmentation: mean and deviation must have the same length (got 1 and 2)");
    assertRefused(
        () -> none.withNormalization(new double[] {1}, new double[] {0}),
        "Augmentation: deviation must be positive and finite (got 0.0)");
    assertRefused(
        () -> none.withNormalization(new double[] {1 / 0.0}, new double[] {1}),
        "Augmentation: mean must be finite (got Infinity)");
    assertRefused(
        () -> none.withNormalization(null, new double[] {1}),
        "Augmentation.withNormalization: mean must be given (got null)");
    assertRefused(
        () -> new Augmentation(0, false, 0, Arrays.asList(1.0, null), List.of(1.0, 1.0)),
        "Augmentation: mean[1] must be given (got null)");
  }

  private static void assertRefused(ThrowingCallable call, String message) {
    assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
  }

  @Test
  void augmentation_thatDoesNotFitTheImages_isRefusedByTheBatches() {
    NumberedDataset data = new NumberedDataset(9);
    Augmentation reflected = Augmentation.none().withReflectedCrop(3);
    assertThatThrownBy(() -> DatasetBatches.builder(data).size(3).augmentation(reflected).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "DatasetBatches.Builder.build: padding must be less than the images' rows and columns"
                + " to be reflected (got 3 for 3)");
    Augmentation three =
        Augmentation.none().withNormalization(new double[3], new double[] {1, 1, 1});
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
    new Augmenter(augmentation, SHAPE)
        .apply(from.images(), from.indices(), to.images(), seed, round);
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
