package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.management.ManagementFactory;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Supplier;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

final class BatchesTest {
  private static final Digits DIGITS = Digits.load();
  private static final int[] LABELED = DIGITS.labeled(0, 5);

  @Test
  void all_epoch_isAPassOverWholeBatches() {
    Batches batches = Batches.all(DIGITS, 64, 0);
    assertThat(batches.stepsPerEpoch()).isEqualTo(22);
    for (int epoch = 0; epoch < 2; epoch++) {
      Set<Long> seen = new HashSet<>();
      for (int i = 0; i < batches.stepsPerEpoch(); i++) {
        Batch batch = batches.next();
        for (int b = 0; b < 64; b++) {
          assertThat(seen.add(batch.indices().get(b))).isTrue();
        }
        assertLabelsAreTrue(batch, 64);
      }
      assertThat(seen).hasSize(22 * 64);
    }
  }

  @Test
  void mixed_batch_placesLabeledFirst() {
    Batches batches = Batches.mixed(DIGITS, LABELED, 32, 96, 0);
    assertThat(batches.stepsPerEpoch()).isEqualTo(14);
    for (int i = 0; i < 30; i++) {
      Batch batch = batches.next();
      assertThat(batch.size()).isEqualTo(128);
      long[] indices = copy(batch.indices());
      assertThat(indices).doesNotHaveDuplicates();
      assertLabelsAreTrue(batch, 32);
      for (int b = 0; b < 128; b++) {
        boolean isLabeled = Arrays.binarySearch(LABELED, (int) indices[b]) >= 0;
        assertThat(isLabeled).isEqualTo(b < 32);
        if (b >= 32) {
          assertThat(batch.labels().get(b)).isEqualTo(Batch.UNLABELED);
        }
      }
    }
  }

  @Test
  void mixed_epoch_isAPassOverTheUnlabeled() {
    Batches batches = Batches.mixed(DIGITS, LABELED, 32, 96, 0);
    for (int epoch = 0; epoch < 2; epoch++) {
      Set<Long> seen = new HashSet<>();
      for (int i = 0; i < batches.stepsPerEpoch(); i++) {
        Arrays.stream(copy(batches.next().indices())).skip(32).forEach(seen::add);
      }
      assertThat(seen).hasSize(14 * 96);
    }
  }

  @Test
  void mixed_manyBatches_drawEveryLabeledImage() {
    Batches batches = Batches.mixed(DIGITS, LABELED, 32, 96, 0);
    Set<Long> seen = new HashSet<>();
    for (int i = 0; i < 20; i++) {
      Arrays.stream(copy(batches.next().indices())).limit(32).forEach(seen::add);
    }
    assertThat(seen).hasSize(50);
  }

  @Test
  void mixed_fewerLabeledThanAskedFor_takesAllOfThem() {
    int[] labeled = DIGITS.labeled(0, 1);
    Batch batch = Batches.mixed(DIGITS, labeled, 32, 96, 0).next();
    assertThat(batch.size()).isEqualTo(10 + 96);
    assertThat(Arrays.stream(copy(batch.indices())).limit(10).mapToInt(i -> (int) i).sorted())
        .containsExactly(Arrays.stream(labeled).boxed().toArray(Integer[]::new));
  }

  @Test
  void labeledPart_sameSeed_isFirstPartOfMixed() {
    Batches mixed = Batches.mixed(DIGITS, LABELED, 32, 96, 7);
    Batches part = Batches.labeledPart(DIGITS, LABELED, 32, 96, 7);
    assertThat(part.stepsPerEpoch()).isEqualTo(mixed.stepsPerEpoch());
    for (int i = 0; i < 20; i++) {
      Batch whole = mixed.next();
      Batch first = part.next();
      assertThat(first.size()).isEqualTo(32);
      assertThat(first.labels()).isEqualTo(whole.labels().slice(0, 32));
      assertThat(first.indices()).isEqualTo(whole.indices().slice(0, 32));
      assertThat(first.images()).isEqualTo(whole.images().slice(0, 32 * 64));
    }
  }

  @Test
  void next_images_areMovedByOneAtMostAndFilledWithZeros() {
    Batches batches = Batches.all(DIGITS, 64, 0);
    Set<Integer> moves = new HashSet<>();
    for (int i = 0; i < 5; i++) {
      Batch batch = batches.next();
      for (int b = 0; b < 64; b++) {
        moves.add(moveOf(batch.images().slice(b * 64, 64), (int) batch.indices().get(b)));
      }
    }
    assertThat(moves).containsExactlyInAnyOrder(0, 1, 2, 3, 4, 5, 6, 7, 8);
  }

  @Test
  void next_sameSeed_givesSameBatches() {
    assertSameBatches(() -> Batches.all(DIGITS, 64, 3));
    assertSameBatches(() -> Batches.mixed(DIGITS, LABELED, 32, 96, 3));
    assertSameBatches(() -> Batches.labeledPart(DIGITS, LABELED, 32, 96, 3));
  }

  @Test
  void next_otherSeed_givesOtherBatches() {
    assertThat(Batches.mixed(DIGITS, LABELED, 32, 96, 1).next().indices())
        .isNotEqualTo(Batches.mixed(DIGITS, LABELED, 32, 96, 2).next().indices());
  }

  @Test
  void next_buffers_areDirectAndReused() {
    Batches batches = Batches.all(DIGITS, 64, 0);
    Batch batch = batches.next();
    assertThat(batch.images().isDirect()).isTrue();
    assertThat(batch.labels().isDirect()).isTrue();
    assertThat(batch.indices().isDirect()).isTrue();
    assertThat(batch.images().order()).isEqualTo(ByteOrder.nativeOrder());
    assertThat(batch.labels().order()).isEqualTo(ByteOrder.nativeOrder());
    assertThat(batch.indices().order()).isEqualTo(ByteOrder.nativeOrder());

    batch.images().position(5).limit(6);
    batch.labels().position(5);
    assertThat(batches.next()).isSameAs(batch);
    assertThat(batch.images().remaining()).isEqualTo(64 * 64);
    assertThat(batch.labels().remaining()).isEqualTo(64);
    assertThat(batch.indices().remaining()).isEqualTo(64);
  }

  @Test
  void next_manyTimes_allocatesNothing() {
    Batches batches = Batches.mixed(DIGITS, LABELED, 32, 96, 0);
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long id = Thread.currentThread().getId();
    batches.next();
    long before = threads.getThreadAllocatedBytes(id);
    for (int i = 0; i < 1000; i++) {
      batches.next();
    }
    long perBatch = (threads.getThreadAllocatedBytes(id) - before) / 1000;
    assertThat(perBatch).isZero();
  }

  @Test
  void factories_invalidArguments_areRejected() {
    assertRejected(() -> Batches.all(null, 64, 0), "Batches.all: digits must be given (got null)");
    assertRejected(
        () -> Batches.all(DIGITS, 0, 0), "Batches.all: size must be between 1 and 1438 (got 0)");
    assertRejected(
        () -> Batches.all(DIGITS, 1439, 0),
        "Batches.all: size must be between 1 and 1438 (got 1439)");
    assertRejected(
        () -> Batches.mixed(null, LABELED, 32, 96, 0),
        "Batches.mixed: digits must be given (got null)");
    assertRejected(
        () -> Batches.mixed(DIGITS, null, 32, 96, 0),
        "Batches.mixed: labeled must be given (got null)");
    assertRejected(
        () -> Batches.mixed(DIGITS, new int[0], 32, 96, 0),
        "Batches.mixed: labeled.length must be between 1 and 1437 (got 0)");
    assertRejected(
        () -> Batches.mixed(DIGITS, new int[] {1, 1438}, 32, 96, 0),
        "Batches.mixed: labeled must be between 0 and 1437 (got 1438)");
    assertRejected(
        () -> Batches.mixed(DIGITS, new int[] {1, 1}, 32, 96, 0),
        "Batches.mixed: labeled must not repeat a position (got 1 twice)");
    assertRejected(
        () -> Batches.mixed(DIGITS, LABELED, 0, 96, 0),
        "Batches.mixed: labeledSize must be at least 1 (got 0)");
    assertRejected(
        () -> Batches.labeledPart(DIGITS, LABELED, 32, 1389, 0),
        "Batches.labeledPart: unlabeledSize must be between 1 and 1388 (got 1389)");
  }

  private static void assertRejected(ThrowingCallable call, String message) {
    assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
  }

  private static void assertSameBatches(Supplier<Batches> factory) {
    Batches one = factory.get();
    Batches other = factory.get();
    for (int i = 0; i < 30; i++) {
      Batch expected = one.next();
      Batch actual = other.next();
      assertThat(actual.images()).isEqualTo(expected.images());
      assertThat(actual.labels()).isEqualTo(expected.labels());
      assertThat(actual.indices()).isEqualTo(expected.indices());
    }
  }

  private static void assertLabelsAreTrue(Batch batch, int count) {
    for (int b = 0; b < count; b++) {
      assertThat(batch.labels().get(b)).isEqualTo(DIGITS.trainLabel((int) batch.indices().get(b)));
    }
  }

  /** Returns which of the nine moves turns the image at {@code position} into {@code moved}. */
  private static int moveOf(FloatBuffer moved, int position) {
    FloatBuffer original = FloatBuffer.allocate(64);
    DIGITS.copyTrain(position, 0, 0, original);
    for (int move = 0; move < 9; move++) {
      if (moved.equals(naiveMove(original, move / 3 - 1, move % 3 - 1))) {
        return move;
      }
    }
    throw new AssertionError("image " + position + " is no move of the original");
  }

  private static FloatBuffer naiveMove(FloatBuffer image, int dy, int dx) {
    FloatBuffer moved = FloatBuffer.allocate(64);
    for (int y = 0; y < 8; y++) {
      for (int x = 0; x < 8; x++) {
        boolean inside = y - dy >= 0 && y - dy < 8 && x - dx >= 0 && x - dx < 8;
        moved.put(y * 8 + x, inside ? image.get((y - dy) * 8 + x - dx) : 0);
      }
    }
    return moved;
  }

  private static long[] copy(LongBuffer buffer) {
    long[] values = new long[buffer.remaining()];
    buffer.get(buffer.position(), values);
    return values;
  }
}
