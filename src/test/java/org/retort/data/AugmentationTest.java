package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.retort.data.Augmentation.ColorJitter;
import org.retort.data.Augmentation.Cutout;
import org.retort.data.Augmentation.ResizedCrop;
import org.retort.data.Augmentation.Size;

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
        .isEqualTo(of(3, true, 0.25, List.of(0.5), List.of(2.0)))
        .hasToString(
            "Augmentation[padding=3, reflected=true, resizedCrop=Optional.empty,"
                + " outputSize=Optional.empty, flipProbability=0.25, colorJitter=Optional.empty,"
                + " mean=[0.5], deviation=[2.0], cutout=Optional.empty]");
    assertThat(augmentation.withCrop(4).withFlip(1))
        .isEqualTo(of(4, false, 1, List.of(0.5), List.of(2.0)));
    assertThat(augmentation.withShift(4)).isEqualTo(augmentation.withCrop(4));
    assertThat(augmentation.withNormalization(new double[0], new double[0]))
        .isEqualTo(Augmentation.none().withReflectedCrop(3).withFlip(0.25));
    assertThat(augmentation.withoutDraws()).isEqualTo(of(0, false, 0, List.of(0.5), List.of(2.0)));
    assertThat(Augmentation.none())
        .isEqualTo(of(0, false, 0, List.of(), List.of()))
        .isNotEqualTo(augmentation);
  }

  private static Augmentation of(
      int padding, boolean reflected, double flip, List<Double> mean, List<Double> deviation) {
    return new Augmentation(
        padding,
        reflected,
        Optional.empty(),
        Optional.empty(),
        flip,
        Optional.empty(),
        mean,
        deviation,
        Optional.empty());
  }

  @Test
  void with_eachOption_keepsTheOthers() {
    Augmentation none = Augmentation.none();
    List<UnaryOperator<Augmentation>> changes =
        List.of(
            augmentation -> augmentation.withRandomResizedCrop(0.25, 0.5, 0.8, 1.25),
            augmentation -> augmentation.withOutputSize(8, 9),
            augmentation -> augmentation.withFlip(0.5),
            augmentation -> augmentation.withColorJitter(0.4, 0.3, 0.2, 0.1),
            augmentation -> augmentation.withNormalization(new double[] {0.5}, new double[] {2}),
            augmentation -> augmentation.withCutout(16, 0.5, 0.25));
    Augmentation expected =
        new Augmentation(
            0,
            false,
            Optional.of(new ResizedCrop(0.25, 0.5, 0.8, 1.25)),
            Optional.of(new Size(8, 9)),
            0.5,
            Optional.of(new ColorJitter(0.4, 0.3, 0.2, 0.1)),
            List.of(0.5),
            List.of(2.0),
            Optional.of(new Cutout(16, List.of(0.5, 0.25))));
    Augmentation forwards = none;
    Augmentation backwards = none;
    for (int i = 0; i < changes.size(); i++) {
      forwards = changes.get(i).apply(forwards);
      backwards = changes.get(changes.size() - 1 - i).apply(backwards);
    }
    assertThat(forwards).isEqualTo(expected);
    assertThat(backwards).isEqualTo(expected);
    assertThat(forwards.withoutDraws())
        .isEqualTo(
            none.withNormalization(new double[] {0.5}, new double[] {2}).withOutputSize(8, 9));
    assertThat(forwards.withColorJitter(0, 0, 0, 0).colorJitter()).isEmpty();
    assertThat(forwards.withCutout(0).cutout()).isEmpty();
    assertThat(none.withRandomResizedCrop(0.5, 0.5, 2, 2).resizedCrop())
        .contains(new ResizedCrop(0.5, 0.5, 2, 2));
    assertThat(none.withRandomResizedCrop(0.08, 1).resizedCrop())
        .contains(new ResizedCrop(0.08, 1, 3.0 / 4, 4.0 / 3));
  }

  @Test
  void outputShape_withSize_isOfThatSize() {
    assertThat(Augmentation.none().outputShape(SHAPE)).isEqualTo(SHAPE);
    assertThat(Augmentation.none().withOutputSize(3, 4).outputShape(SHAPE))
        .isEqualTo(new ImageShape(2, 3, 4));
  }

  @Test
  void outputSize_withoutDraws_isTheMiddle() {
    Augmentation training =
        Augmentation.none().withRandomResizedCrop(0.5, 1).withOutputSize(3, 2).withFlip(0.5);
    float[] middle = augment(training.withoutDraws(), 3, 1, 0);
    for (int i = 0; i < middle.length; i++) {
      assertThat(middle[i]).isEqualTo(value(i / 6, 1 + i / 2 % 3, 2 + i % 2));
    }
    Set<List<Float>> seen = new HashSet<>();
    for (int round = 0; round < 50; round++) {
      float[] part = augment(training, 3, 1, round);
      assertThat(part).hasSize(2 * 3 * 2);
      List<Float> values = new ArrayList<>();
      for (float value : part) {
        assertThat(value).isBetween(value(0, 0, 0), value(1, HEIGHT - 1, WIDTH - 1));
        values.add(value);
      }
      seen.add(values);
    }
    assertThat(seen).hasSizeGreaterThan(10);
  }

  /** Each number reaches the native option of its name: their effects are told apart. */
  @Test
  void colorJitter_ofAGreyImage_changesWhatItSays() {
    ImageShape colored = new ImageShape(3, 1, 2);
    float[] image = {0.25f, 0.5f, 0.25f, 0.5f, 0.25f, 0.5f};
    Augmentation none = Augmentation.none();
    for (int round = 0; round < 20; round++) {
      float[] bright = augment(none.withColorJitter(0.5, 0, 0, 0), colored, image, round);
      assertThat(bright[1] / bright[0]).isCloseTo(2, within(1e-5f));
      assertThat(bright[0]).isNotEqualTo(0.25f).isBetween(0.125f, 0.375f);
      float[] contrasting = augment(none.withColorJitter(0, 0.5, 0, 0), colored, image, round);
      assertThat(contrasting[0] + contrasting[1]).isCloseTo(0.75f, within(1e-4f));
      assertThat(contrasting[0]).isNotEqualTo(0.25f);
      for (Augmentation ofColors :
          List.of(none.withColorJitter(0, 0, 0.5, 0), none.withColorJitter(0, 0, 0, 0.5))) {
        assertThat(augment(ofColors, colored, image, round)).containsExactly(image, within(1e-4f));
      }
      float[] red = {0.75f, 0.75f, 0.25f, 0.25f, 0.25f, 0.25f};
      float[] saturated = augment(none.withColorJitter(0, 0, 0.5, 0), colored, red, round);
      assertThat(saturated[2]).isEqualTo(saturated[4]).isNotEqualTo(0.25f);
      float[] turned = augment(none.withColorJitter(0, 0, 0, 0.5), colored, red, round);
      assertThat(Math.max(turned[0], Math.max(turned[2], turned[4])))
          .isCloseTo(0.75f, within(1e-5f));
      assertThat(turned[2]).isNotEqualTo(turned[4]);
    }
  }

  @Test
  void cutout_square_isFilledWithItsValues() {
    Augmentation normalized =
        Augmentation.none().withNormalization(new double[] {0.1}, new double[] {0.25});
    float[] whole = augment(normalized, 3, 1, 0);
    for (int round = 0; round < 20; round++) {
      assertCutOut(augment(normalized.withCutout(2), 3, 1, round), whole, 0, 0);
      assertCutOut(augment(normalized.withCutout(2, 9), 3, 1, round), whole, 9, 9);
      assertCutOut(augment(normalized.withCutout(2, 9, 8), 3, 1, round), whole, 9, 8);
    }
  }

  private static void assertCutOut(float[] cut, float[] whole, float first, float second) {
    int places = 0;
    for (int i = 0; i < VALUES; i++) {
      float value = i < VALUES / 2 ? first : second;
      if (cut[i] == value) {
        places++;
      } else {
        assertThat(cut[i]).isEqualTo(whole[i]);
      }
    }
    assertThat(places).isIn(2, 4, 8); // of both channels, less at the border
  }

  @Test
  void constructor_listThatChanges_isCopied() {
    List<Double> values = new ArrayList<>(List.of(0.5));
    Augmentation augmentation = of(0, false, 0, values, values);
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
        () -> of(0, false, 0, Arrays.asList(1.0, null), List.of(1.0, 1.0)),
        "Augmentation: mean[1] must be given (got null)");
    String scale = "Augmentation.ResizedCrop: scale must be a range above 0 and up to 1 (got %s)";
    assertRefused(() -> none.withRandomResizedCrop(0, 1), scale.formatted("0.0 to 1.0"));
    assertRefused(() -> none.withRandomResizedCrop(0.5, 0.25), scale.formatted("0.5 to 0.25"));
    assertRefused(() -> none.withRandomResizedCrop(0.5, 1.5), scale.formatted("0.5 to 1.5"));
    String ratio =
        "Augmentation.ResizedCrop: ratio must be a range of positive, finite numbers (got %s)";
    assertRefused(() -> none.withRandomResizedCrop(0.5, 1, 0, 1), ratio.formatted("0.0 to 1.0"));
    assertRefused(() -> none.withRandomResizedCrop(0.5, 1, 2, 1), ratio.formatted("2.0 to 1.0"));
    assertRefused(
        () -> none.withRandomResizedCrop(0.5, 1, 1, 1 / 0.0), ratio.formatted("1.0 to Infinity"));
    String beside = "Augmentation: padding must be 0 beside a resized crop (got 4)";
    assertRefused(() -> none.withCrop(4).withRandomResizedCrop(0.5, 1), beside);
    assertRefused(() -> none.withRandomResizedCrop(0.5, 1).withReflectedCrop(4), beside);
    assertRefused(
        () -> none.withOutputSize(0, 1),
        "Augmentation.Size: height must be between 1 and 1048576 (got 0)");
    assertRefused(
        () -> none.withOutputSize(1, -1),
        "Augmentation.Size: width must be between 1 and 1048576 (got -1)");
    String jitter = "Augmentation.ColorJitter: %s";
    assertRefused(
        () -> none.withColorJitter(-1, 0, 0, 0),
        jitter.formatted("brightness must be at least 0 and finite (got -1.0)"));
    assertRefused(
        () -> none.withColorJitter(0, Double.NaN, 0, 0),
        jitter.formatted("contrast must be at least 0 and finite (got NaN)"));
    assertRefused(
        () -> none.withColorJitter(0, 0, 1 / 0.0, 0),
        jitter.formatted("saturation must be at least 0 and finite (got Infinity)"));
    assertRefused(
        () -> none.withColorJitter(0, 0, 0, 0.6),
        jitter.formatted("hue must be between 0 and 0.5 (got 0.6)"));
    assertRefused(
        () -> none.withCutout(-1),
        "Augmentation.Cutout: side must be between 1 and 1048576 (got -1)");
    assertRefused(
        () -> none.withCutout(1, Double.NaN),
        "Augmentation.Cutout: value must be finite (got NaN)");
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
    Augmentation whole = Augmentation.none().withOutputSize(3, 4);
    DatasetBatches.inOrder(data, 3, whole).close();
    Augmentation three =
        Augmentation.none().withNormalization(new double[3], new double[] {1, 1, 1});
    assertThatThrownBy(() -> DatasetBatches.inOrder(data, 3, three))
        .hasMessage(
            "DatasetBatches.inOrder: mean must be one for each of 2 channels, or one (got 3)");
    assertUnfit(
        Augmentation.none().withCutout(2, 1, 1, 1),
        "cutout must be one for each of 2 channels, or one (got 3)");
    assertUnfit(
        Augmentation.none().withColorJitter(0.1, 0, 0, 0),
        "images must have 1 or 3 channels for their colours to be changed (got 2)");
    assertUnfit(
        Augmentation.none().withOutputSize(3, 5),
        "output size must be at most the images' 3 × 4 without a resized crop (got 3 × 5)");
  }

  private static void assertUnfit(Augmentation augmentation, String message) {
    assertRefused(
        () -> DatasetBatches.inOrder(new NumberedDataset(9), 3, augmentation),
        "DatasetBatches.inOrder: " + message);
  }

  private static float value(int channel, int row, int column) {
    return (1 + (channel * HEIGHT + row) * WIDTH + column) / 64f;
  }

  private static float[] augment(Augmentation augmentation, long index, long seed, long round) {
    float[] image = new float[VALUES];
    for (int i = 0; i < VALUES; i++) {
      image[i] = (1 + i) / 64f;
    }
    return augment(augmentation, SHAPE, image, index, seed, round);
  }

  private static float[] augment(
      Augmentation augmentation, ImageShape shape, float[] image, long round) {
    return augment(augmentation, shape, image, 3, 1, round);
  }

  private static float[] augment(
      Augmentation augmentation,
      ImageShape shape,
      float[] image,
      long index,
      long seed,
      long round) {
    Batch from = Batch.allocate(1, shape.channels(), shape.height(), shape.width());
    from.images().put(0, image);
    from.indices().put(0, index);
    ImageShape output = augmentation.outputShape(shape);
    Batch to = Batch.allocate(1, output.channels(), output.height(), output.width());
    new Augmenter(augmentation, shape)
        .apply(from.images(), from.indices(), to.images(), seed, round);
    float[] augmented = new float[output.values()];
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
