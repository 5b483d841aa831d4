package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.management.ManagementFactory;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.function.Supplier;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

final class DigitBatchesTest {
  private static final Digits DIGITS = Digits.load();
  private static final int[] LABELED = DIGITS.labeled(0, 5);

  @Test
  void all_epoch_isAPassOverWholeBatches() {
    Batches batches = DigitBatches.all(DIGITS, 64, 0);
    assertThat(batches.stepsPerEpoch()).isEqualTo(22);
    for (int epoch = 0; epoch < 2; epoch++) {
      batches.startEpoch(epoch);
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
    Batches batches = DigitBatches.mixed(DIGITS, LABELED, 32, 96, 0);
    assertThat(batches.stepsPerEpoch()).isEqualTo(14);
    for (int i = 0; i < 30; i++) {
      Batch batch = batch(batches, i);
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
    Batches batches = DigitBatches.mixed(DIGITS, LABELED, 32, 96, 0);
    for (int epoch = 0; epoch < 2; epoch++) {
      batches.startEpoch(epoch);
      Set<Long> seen = new HashSet<>();
      for (int i = 0; i < batches.stepsPerEpoch(); i++) {
        Arrays.stream(copy(batches.next().indices())).skip(32).forEach(seen::add);
      }
      assertThat(seen).hasSize(14 * 96);
    }
  }

  @Test
  void mixed_manyBatches_drawEveryLabeledImage() {
    Batches batches = DigitBatches.mixed(DIGITS, LABELED, 32, 96, 0);
    Set<Long> seen = new HashSet<>();
    for (int i = 0; i < 20; i++) {
      Arrays.stream(copy(batch(batches, i).indices())).limit(32).forEach(seen::add);
    }
    assertThat(seen).hasSize(50);
  }

  @Test
  void mixed_fewerLabeledThanAskedFor_takesAllOfThem() {
    int[] labeled = DIGITS.labeled(0, 1);
    Batch batch = batch(DigitBatches.mixed(DIGITS, labeled, 32, 96, 0), 0);
    assertThat(batch.size()).isEqualTo(10 + 96);
    assertThat(Arrays.stream(copy(batch.indices())).limit(10).mapToInt(i -> (int) i).sorted())
        .containsExactly(Arrays.stream(labeled).boxed().toArray(Integer[]::new));
  }

  @Test
  void labeledPart_sameSeed_isFirstPartOfMixed() {
    Batches mixed = DigitBatches.mixed(DIGITS, LABELED, 32, 96, 7);
    Batches part = DigitBatches.labeledPart(DIGITS, LABELED, 32, 96, 7);
    assertThat(part.stepsPerEpoch()).isEqualTo(mixed.stepsPerEpoch());
    for (int i = 0; i < 20; i++) {
      Batch whole = batch(mixed, i);
      Batch first = batch(part, i);
      assertThat(first.size()).isEqualTo(32);
      assertThat(first.labels()).isEqualTo(whole.labels().slice(0, 32));
      assertThat(first.indices()).isEqualTo(whole.indices().slice(0, 32));
      assertThat(first.images()).isEqualTo(whole.images().slice(0, 32 * 64));
    }
  }

  @Test
  void next_images_areMovedByOneAtMostAndFilledWithZeros() {
    Batches batches = DigitBatches.all(DIGITS, 64, 0);
    Set<Integer> moves = new HashSet<>();
    for (int i = 0; i < 5; i++) {
      Batch batch = batch(batches, i);
      for (int b = 0; b < 64; b++) {
        moves.add(moveOf(batch.images().slice(b * 64, 64), (int) batch.indices().get(b)));
      }
    }
    assertThat(moves).containsExactlyInAnyOrder(0, 1, 2, 3, 4, 5, 6, 7, 8);
  }

  @Test
  void next_sameSeed_givesSameBatches() {
    assertSameBatches(() -> DigitBatches.all(DIGITS, 64, 3));
    assertSameBatches(() -> DigitBatches.mixed(DIGITS, LABELED, 32, 96, 3));
    assertSameBatches(() -> DigitBatches.labeledPart(DIGITS, LABELED, 32, 96, 3));
  }

  @Test
  void startEpoch_again_givesTheSameBatchesWhateverWasReadBefore() {
    Batches straight = DigitBatches.mixed(DIGITS, LABELED, 32, 96, 3);
    Batches wandering = DigitBatches.mixed(DIGITS, LABELED, 32, 96, 3);
    wandering.startEpoch(7);
    wandering.skip(5);
    wandering.startEpoch(1);
    wandering.skip(2);
    straight.startEpoch(1);
    straight.next();
    straight.next();
    for (int i = 2; i < straight.stepsPerEpoch(); i++) {
      assertSame(wandering.next(), straight.next());
    }
  }

  @Test
  void startEpoch_otherEpoch_givesOtherBatches() {
    Batches batches = DigitBatches.all(DIGITS, 64, 0);
    Set<List<Long>> firsts = new HashSet<>();
    for (int epoch = 0; epoch < 20; epoch++) {
      batches.startEpoch(epoch);
      firsts.add(Arrays.stream(copy(batches.next().indices())).boxed().toList());
    }
    assertThat(firsts).hasSize(20);
  }

  @Test
  void next_outsideAnEpoch_isRefused() {
    Batches batches = DigitBatches.all(DIGITS, 1000, 0);
    String message =
        "DigitBatches.next: epoch must be started and not at its end (got no batch left)";
    assertThatThrownBy(batches::next)
        .isInstanceOf(NoSuchElementException.class)
        .hasMessage(message);
    batches.startEpoch(0);
    batches.next();
    assertThatThrownBy(batches::next)
        .isInstanceOf(NoSuchElementException.class)
        .hasMessage(message);
    batches.startEpoch(0);
    assertThatThrownBy(() -> batches.skip(2)).isInstanceOf(NoSuchElementException.class);
  }

  @Test
  void startEpoch_negative_isRejected() {
    assertRejected(
        () -> DigitBatches.all(DIGITS, 64, 0).startEpoch(-1),
        "DigitBatches.startEpoch: epoch must be at least 0 (got -1)");
  }

  @Test
  void next_otherSeed_givesOtherBatches() {
    assertThat(batch(DigitBatches.mixed(DIGITS, LABELED, 32, 96, 1), 0).indices())
        .isNotEqualTo(batch(DigitBatches.mixed(DIGITS, LABELED, 32, 96, 2), 0).indices());
  }

  @Test
  void next_buffers_areDirectAndReused() {
    Batches batches = DigitBatches.all(DIGITS, 64, 0);
    Batch batch = batch(batches, 0);
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
    Batches batches = DigitBatches.mixed(DIGITS, LABELED, 32, 96, 0);
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long id = Thread.currentThread().getId();
    long allocated = 0;
    for (int epoch = 0; epoch < 100; epoch++) {
      batches.startEpoch(epoch);
      long before = threads.getThreadAllocatedBytes(id);
      batches.skip(batches.stepsPerEpoch());
      allocated += threads.getThreadAllocatedBytes(id) - before;
    }
    assertThat(allocated / 100 / batches.stepsPerEpoch()).isZero();
  }

  @Test
  void factories_invalidArguments_areRejected() {
    assertRejected(
        () -> DigitBatches.all(null, 64, 0), "DigitBatches.all: digits must be given (got null)");
    assertRejected(
        () -> DigitBatches.all(DIGITS, 0, 0),
        "DigitBatches.all: size must be between 1 and 1438 (got 0)");
    assertRejected(
        () -> DigitBatches.all(DIGITS, 1439, 0),
        "DigitBatches.all: size must be between 1 and 1438 (got 1439)");
    assertRejected(
        () -> DigitBatches.mixed(null, LABELED, 32, 96, 0),
        "DigitBatches.mixed: digits must be given (got null)");
    assertRejected(
        () -> DigitBatches.mixed(DIGITS, null, 32, 96, 0),
        "DigitBatches.mixed: labeled must be given (got null)");
    assertRejected(
        () -> DigitBatches.mixed(DIGITS, new int[0], 32, 96, 0),
        "DigitBatches.mixed: labeled.length must be between 1 and 1437 (got 0)");
    assertRejected(
        () -> DigitBatches.mixed(DIGITS, new int[] {1, 1438}, 32, 96, 0),
        "DigitBatches.mixed: labeled must be between 0 and 1437 (got 1438)");
    assertRejected(
        () -> DigitBatches.mixed(DIGITS, new int[] {1, 1}, 32, 96, 0),
        "DigitBatches.mixed: labeled must not repeat a position (got 1 twice)");
    assertRejected(
        () -> DigitBatches.mixed(DIGITS, LABELED, 0, 96, 0),
        "DigitBatches.mixed: labeledSize must be at least 1 (got 0)");
    assertRejected(
        () -> DigitBatches.labeledPart(DIGITS, LABELED, 32, 1389, 0),
        "DigitBatches.labeledPart: unlabeledSize must be between 1 and 1388 (got 1389)");
  }

  private static void assertRejected(ThrowingCallable call, String message) {
    assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
  }

  private static void assertSameBatches(Supplier<Batches> factory) {
    Batches one = factory.get();
    Batches other = factory.get();
    for (int i = 0; i < 30; i++) {
      assertSame(batch(other, i), batch(one, i));
    }
  }

  private static void assertSame(Batch actual, Batch expected) {
    assertThat(actual.images()).isEqualTo(expected.images());
    assertThat(actual.labels()).isEqualTo(expected.labels());
    assertThat(actual.indices()).isEqualTo(expected.indices());
  }

  /** Returns the next batch of a source that was asked for those from 0 to {@code step} − 1. */
  private static Batch batch(Batches batches, int step) {
    if (step % batches.stepsPerEpoch() == 0) {
      batches.startEpoch(step / batches.stepsPerEpoch());
    }
    return batches.next();
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
