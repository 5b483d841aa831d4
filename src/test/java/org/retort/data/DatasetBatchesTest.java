package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
final class DatasetBatchesTest {
  private static final int SIZE = 100;
  private static final int[] LABELED = {3, 17, 40, 41, 99};
  private static final Augmentation AUGMENTATION =
      Augmentation.none().withReflectedCrop(2).withFlip(0.5);

  private static final Augmentation RESIZED =
      Augmentation.none().withRandomResizedCrop(0.3, 1).withOutputSize(5, 6).withFlip(0.5);

  private final List<DatasetBatches> open = new ArrayList<>();
  private final NumberedDataset data = new NumberedDataset(SIZE);

  @AfterEach
  void close() {
    open.forEach(DatasetBatches::close);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 7})
  void next_epoch_isAPassOverWholeBatches(int prefetch) {
    DatasetBatches batches = batches(builder -> builder.size(7).prefetch(prefetch));
    assertThat(batches.stepsPerEpoch()).isEqualTo(14);
    Set<List<Long>> orders = new HashSet<>();
    for (int epoch = 0; epoch < 3; epoch++) {
      batches.startEpoch(epoch);
      List<Long> order = new ArrayList<>();
      for (int step = 0; step < 14; step++) {
        Batch batch = batches.next();
        assertThat(batch.size()).isEqualTo(7);
        assertThat(batch.images().remaining()).isEqualTo(7 * 24);
        assertImagesAreTheirs(batch);
        for (int i = 0; i < 7; i++) {
          long index = batch.indices().get(i);
          assertThat(batch.labels().get(i)).isEqualTo(index % NumberedDataset.CLASSES);
          order.add(index);
        }
      }
      assertThat(order).doesNotHaveDuplicates();
      assertThat(orders.add(order)).isTrue();
    }
  }

  @Test
  void labeled_batch_placesThemFirstAndHidesOtherLabels() {
    DatasetBatches batches = batches(builder -> builder.size(9).labeled(LABELED, 3));
    assertThat(batches.stepsPerEpoch()).isEqualTo(95 / 9);
    Set<Long> seenLabeled = new HashSet<>();
    for (int epoch = 0; epoch < 4; epoch++) {
      batches.startEpoch(epoch);
      Set<Long> seen = new HashSet<>();
      for (int step = 0; step < batches.stepsPerEpoch(); step++) {
        Batch batch = batches.next();
        assertThat(batch.size()).isEqualTo(12);
        long[] indices = copy(batch.indices());
        assertThat(indices).doesNotHaveDuplicates();
        assertImagesAreTheirs(batch);
        for (int i = 0; i < 12; i++) {
          assertThat(Arrays.binarySearch(LABELED, (int) indices[i]) >= 0).isEqualTo(i < 3);
          assertThat(batch.labels().get(i)).isEqualTo(i < 3 ? indices[i] % 7 : Batch.UNLABELED);
          assertThat(i < 3 ? seenLabeled.add(indices[i]) || true : seen.add(indices[i])).isTrue();
        }
      }
      assertThat(seen).hasSize(9 * batches.stepsPerEpoch());
    }
    assertThat(seenLabeled).hasSize(5);
  }

  @Test
  void labeled_fewerThanAskedFor_takesAllOfThem() {
    DatasetBatches batches = batches(builder -> builder.size(9).labeled(LABELED, 30));
    batches.startEpoch(0);
    Batch batch = batches.next();
    assertThat(batch.size()).isEqualTo(5 + 9);
    assertThat(Arrays.stream(copy(batch.indices())).limit(5).sorted().toArray())
        .containsExactly(3, 17, 40, 41, 99);
  }

  @Test
  void withoutOthers_sameSeed_isFirstPart() {
    UnaryOperator<DatasetBatches.Builder> options =
        builder -> builder.size(9).seed(7).labeled(LABELED, 3).augmentation(AUGMENTATION);
    DatasetBatches whole = batches(options);
    DatasetBatches part = batches(builder -> options.apply(builder).withoutOthers());
    assertThat(part.stepsPerEpoch()).isEqualTo(whole.stepsPerEpoch());
    for (int i = 0; i < 20; i++) {
      Batch all = batch(whole, i);
      Batch first = batch(part, i);
      assertThat(first.size()).isEqualTo(3);
      assertThat(first.labels()).isEqualTo(all.labels().slice(0, 3));
      assertThat(first.indices()).isEqualTo(all.indices().slice(0, 3));
      assertThat(first.images()).isEqualTo(all.images().slice(0, 3 * 24));
    }
  }

  @Test
  void labeled_imageThatComesAgain_isAugmentedInAnotherWay() {
    DatasetBatches batches =
        batches(builder -> builder.size(9).labeled(LABELED, 5).augmentation(AUGMENTATION));
    batches.startEpoch(0);
    Set<FloatBuffer> images = new HashSet<>();
    for (int step = 0; step < batches.stepsPerEpoch(); step++) {
      Batch batch = batches.next();
      for (int i = 0; i < 5; i++) {
        if (batch.indices().get(i) == 3) {
          images.add(copy(batch.images().slice(i * 24, 24)));
        }
      }
    }
    assertThat(images.size()).isBetween(5, 10); // of 50 equally likely ones
  }

  /** A training that was resumed in a later version must go on with the batches of this one. */
  @Test
  void next_seed_isTheSameOrderInEveryVersion() {
    DatasetBatches batches = batches(builder -> builder.size(9).seed(4).labeled(LABELED, 3));
    batches.startEpoch(3);
    batches.skip(2);
    assertThat(copy(batches.next().indices()))
        .containsExactly(40, 17, 41, 33, 93, 67, 14, 87, 82, 50, 29, 47);
    List<long[]> shards = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      int own = rank;
      DatasetBatches shard = batches(builder -> builder.size(8).seed(4).shard(own, 2));
      shard.startEpoch(3);
      shards.add(copy(shard.next().indices()));
    }
    assertThat(shards).containsExactly(new long[] {62, 92, 90, 4}, new long[] {89, 95, 29, 1});
  }

  @Test
  void augmentation_images_areThoseOfTheAugmentationAlone() {
    DatasetBatches batches = batches(builder -> builder.size(9).seed(4).augmentation(AUGMENTATION));
    for (int i = 0; i < 2 * batches.stepsPerEpoch(); i++) {
      assertAugmented(batch(batches, i), 9, i / batches.stepsPerEpoch());
    }
  }

  @Test
  void augmentation_labeledImages_areThoseOfTheirOwnPasses() {
    DatasetBatches batches =
        batches(builder -> builder.size(9).seed(4).labeled(LABELED, 5).augmentation(AUGMENTATION));
    for (int i = 0; i < 2 * batches.stepsPerEpoch(); i++) {
      assertAugmented(batch(batches, i), 5, i);
    }
  }

  /** Expects the first images of a batch to be augmented as in that pass over the data. */
  private void assertAugmented(Batch batch, int count, long pass) {
    Augmenter augmenter = new Augmenter(AUGMENTATION, data.shape());
    Batch one = Batch.allocate(1, 2, 3, 4);
    Batch expected = Batch.allocate(1, 2, 3, 4);
    for (int b = 0; b < count; b++) {
      long index = batch.indices().get(b);
      one.images().put(0, NumberedDataset.valuesOf((int) index));
      one.indices().put(0, index);
      augmenter.apply(one.images(), one.indices(), expected.images(), 4, pass);
      assertThat(batch.images().slice(b * 24, 24)).isEqualTo(expected.images());
    }
  }

  @Test
  void next_anyPrefetch_givesTheSameBatches() {
    for (UnaryOperator<DatasetBatches.Builder> options :
        List.<UnaryOperator<DatasetBatches.Builder>>of(
            builder -> builder.size(7).seed(3),
            builder -> builder.size(7).seed(3).augmentation(AUGMENTATION),
            builder -> builder.size(7).seed(3).augmentation(AUGMENTATION).labeled(LABELED, 2))) {
      Supplier<List<FloatBuffer>> direct =
          () -> images(batches(builder -> options.apply(builder).prefetch(0)));
      List<FloatBuffer> expected = direct.get();
      assertThat(direct.get()).isEqualTo(expected);
      for (int prefetch : new int[] {1, 2, 20}) {
        assertThat(images(batches(builder -> options.apply(builder).prefetch(prefetch))))
            .isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"0, 2", "2, 2", "2, 5", "1, 16"})
  void next_anyThreads_givesTheSameBatches(int prefetch, int threads) {
    for (Augmentation augmentation : List.of(Augmentation.none(), AUGMENTATION, RESIZED)) {
      for (UnaryOperator<DatasetBatches.Builder> options :
          List.<UnaryOperator<DatasetBatches.Builder>>of(
              builder -> builder.size(7).seed(3).augmentation(augmentation),
              builder -> builder.size(7).augmentation(augmentation).labeled(LABELED, 2))) {
        List<FloatBuffer> expected = images(batches(builder -> options.apply(builder)));
        DatasetBatches parallel =
            batches(builder -> options.apply(builder).prefetch(prefetch).threads(threads));
        assertThat(images(parallel)).isEqualTo(expected);
        parallel.startEpoch(1);
        parallel.skip(5); // as a training does that is resumed
        assertThat(parallel.next().images()).isEqualTo(expected.get(parallel.stepsPerEpoch() + 5));
      }
    }
  }

  @Test
  void threads_severalOfThem_readAtOnce() {
    CountDownLatch together = new CountDownLatch(3);
    Set<String> names = ConcurrentHashMap.newKeySet();
    NumberedDataset meeting =
        new NumberedDataset(
            SIZE,
            index -> {
              Thread thread = Thread.currentThread();
              assertThat(thread.isDaemon()).isTrue();
              names.add(thread.getName());
              together.countDown();
              awaitUninterrupted(together);
            });
    DatasetBatches batches = open(DatasetBatches.builder(meeting).size(50).threads(3));
    batches.startEpoch(0);
    assertImagesAreTheirs(batches.next());
    assertThat(names)
        .containsExactlyInAnyOrder("retort-batches", "retort-images-1", "retort-images-2");
    List<Thread> helpers =
        Thread.getAllStackTraces().keySet().stream()
            .filter(thread -> names.contains(thread.getName()))
            .toList();
    batches.close();
    assertThat(helpers).noneMatch(Thread::isAlive);
  }

  @Test
  void inOrder_threads_givesTheSameBatches() {
    DatasetBatches alone = open(DatasetBatches.inOrder(data, 30, RESIZED));
    DatasetBatches parallel = open(DatasetBatches.inOrder(data, 30, RESIZED, 3));
    assertThat(images(parallel)).isEqualTo(images(alone));
  }

  @Test
  void augmentation_outputSize_isThatOfTheBatches() {
    DatasetBatches batches = batches(builder -> builder.size(9).augmentation(RESIZED));
    batches.startEpoch(0);
    assertThat(batches.next().images().remaining()).isEqualTo(9 * 2 * 5 * 6);
    DatasetBatches middle =
        open(DatasetBatches.inOrder(data, 9, Augmentation.none().withOutputSize(1, 2)));
    middle.startEpoch(0);
    Batch batch = middle.next();
    assertThat(batch.images().remaining()).isEqualTo(9 * 2 * 2);
    for (int i = 0; i < 9 * 4; i++) {
      assertThat(batch.images().get(i))
          .isEqualTo(NumberedDataset.valueOf(i / 4, i % 4 / 2 * 12 + 4 + 1 + i % 2));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void next_severalImagesThatFail_throwsWhatTheFirstThrew(int prefetch) {
    NumberedDataset broken =
        new NumberedDataset(
            SIZE,
            index -> {
              if (index % 10 > 5) {
                throw new IllegalStateException("damaged: " + index);
              }
            });
    DatasetBatches alone = open(DatasetBatches.builder(broken).size(20).prefetch(prefetch));
    DatasetBatches parallel =
        open(DatasetBatches.builder(broken).size(20).prefetch(prefetch).threads(4));
    for (int epoch = 0; epoch < 50; epoch++) {
      alone.startEpoch(epoch);
      parallel.startEpoch(epoch);
      String message = assertThatThrownBy(alone::next).actual().getMessage();
      assertThatThrownBy(parallel::next)
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(message);
    }
  }

  @Test
  void next_errorOnAHelper_isThrown() {
    AssertionError failure = new AssertionError("of a helper");
    CountDownLatch both = new CountDownLatch(2);
    NumberedDataset broken =
        new NumberedDataset(
            SIZE,
            index -> {
              both.countDown();
              awaitUninterrupted(both); // so that the helper reads an image, too
              if (Thread.currentThread().getName().equals("retort-images-1")) {
                throw failure;
              }
            });
    DatasetBatches batches = open(DatasetBatches.builder(broken).size(20).prefetch(0).threads(2));
    batches.startEpoch(0);
    assertThatThrownBy(batches::next).isSameAs(failure);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void close_whileThreadsRead_endsThemAll(int prefetch) throws Exception {
    CountDownLatch reading = new CountDownLatch(3);
    CountDownLatch goOn = new CountDownLatch(1);
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    NumberedDataset slow =
        new NumberedDataset(
            SIZE,
            index -> {
              threads.add(Thread.currentThread());
              reading.countDown();
              awaitUninterrupted(goOn);
            });
    DatasetBatches batches =
        open(DatasetBatches.builder(slow).size(50).prefetch(prefetch).threads(3));
    batches.startEpoch(0);
    Thread closing = new Thread(batches::close);
    Thread helping =
        new Thread(
            () -> {
              awaitUninterrupted(reading);
              closing.start();
              awaitState(closing, Thread.State.WAITING);
              goOn.countDown();
            });
    helping.start();
    assertThatThrownBy(batches::next)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("DatasetBatches.next: batches must be open (got closed ones)");
    helping.join();
    closing.join();
    threads.remove(Thread.currentThread());
    assertThat(threads).hasSize(prefetch == 0 ? 2 : 3).noneMatch(Thread::isAlive);
    assertThat(slow.reads.get()).isLessThan(50); // no more than were being read
  }

  @Test
  void next_otherSeed_givesOtherBatches() {
    assertThat(batch(batches(builder -> builder.size(7).seed(1)), 0).indices())
        .isNotEqualTo(batch(batches(builder -> builder.size(7).seed(2)), 0).indices());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3})
  void startEpoch_anyTime_discardsWhatWasRead(int prefetch) {
    UnaryOperator<DatasetBatches.Builder> options =
        builder -> builder.size(7).seed(3).augmentation(AUGMENTATION).labeled(LABELED, 2);
    DatasetBatches straight = batches(builder -> options.apply(builder).prefetch(0));
    DatasetBatches wandering = batches(builder -> options.apply(builder).prefetch(prefetch));
    for (int round = 0; round < 50; round++) {
      wandering.startEpoch(7);
      wandering.skip(round % 13);
      wandering.startEpoch(1);
      if (round % 2 == 0) {
        wandering.next();
        wandering.skip(0);
        wandering.skip(1);
      } else {
        wandering.skip(2);
      }
      straight.startEpoch(1);
      straight.next();
      straight.next();
      for (int step = 2; step < 5 + round % 8; step++) {
        assertSame(wandering.next(), straight.next());
      }
    }
  }

  @Test
  void skip_batches_areNotRead() {
    DatasetBatches batches = batches(builder -> builder.size(10).prefetch(0));
    batches.startEpoch(0);
    batches.skip(8);
    batches.next();
    assertThat(data.reads).hasValue(10);
  }

  @Test
  void next_batch_staysUntilTheNextCall() throws InterruptedException {
    CountDownLatch read = new CountDownLatch(2 * 10 + 1);
    DatasetBatches batches =
        open(DatasetBatches.builder(new NumberedDataset(SIZE, i -> read.countDown())).size(10));
    batches.startEpoch(0);
    Batch batch = batches.next();
    long[] indices = copy(batch.indices());
    read.await(); // of more than the batch itself
    batches.startEpoch(1);
    assertThat(copy(batch.indices())).isEqualTo(indices);
    assertImagesAreTheirs(batch);
  }

  @Test
  void next_slowTaker_findsNoMoreThanPrefetched() throws InterruptedException {
    DatasetBatches batches = batches(builder -> builder.size(10).prefetch(3));
    batches.startEpoch(0);
    batches.next();
    while (data.reads.get() < 40) {
      Thread.sleep(1);
    }
    Thread.sleep(50);
    assertThat(data.reads).hasValue(40);
    assertImagesAreTheirs(batches.next());
  }

  @Test
  void next_endOfTheEpoch_readsNothingOfTheNext() throws InterruptedException {
    DatasetBatches batches = batches(builder -> builder.size(30).prefetch(2));
    batches.startEpoch(0);
    for (int step = 0; step < 3; step++) {
      batches.next();
    }
    Thread.sleep(50);
    assertThat(data.reads).hasValue(90);
  }

  @Test
  void inOrder_lastBatch_hasWhatIsLeft() {
    DatasetBatches batches = open(DatasetBatches.inOrder(data, 30));
    assertThat(batches.stepsPerEpoch()).isEqualTo(4);
    for (int epoch = 0; epoch < 2; epoch++) {
      batches.startEpoch(epoch);
      long expected = 0;
      for (int step = 0; step < 4; step++) {
        Batch batch = batches.next();
        int size = step < 3 ? 30 : 10;
        assertThat(batch.size()).isEqualTo(size);
        assertThat(batch.images().remaining()).isEqualTo(size * 24);
        assertThat(batch.labels().remaining()).isEqualTo(size);
        assertImagesAreTheirs(batch);
        for (long index : copy(batch.indices())) {
          assertThat(index).isEqualTo(expected++);
        }
      }
      assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
    }
    batches.startEpoch(0);
    batches.skip(3);
    assertThat(copy(batches.next().indices())).hasSize(10).startsWith(90);
  }

  @Test
  void inOrder_sizeAboveTheData_isOneBatch() {
    DatasetBatches batches = open(DatasetBatches.inOrder(data, Integer.MAX_VALUE));
    assertThat(batches.stepsPerEpoch()).isEqualTo(1);
    batches.startEpoch(0);
    assertThat(batches.next().size()).isEqualTo(SIZE);
  }

  @Test
  void inOrder_augmentation_isThatWithoutDraws() {
    Augmentation normalized =
        Augmentation.none()
            .withReflectedCrop(2)
            .withNormalization(new double[] {0.5}, new double[] {0.25});
    DatasetBatches batches = open(DatasetBatches.inOrder(data, 60, normalized.withoutDraws()));
    batches.startEpoch(0);
    batches.next();
    Batch last = batches.next();
    assertThat(last.size()).isEqualTo(40);
    for (int i = 0; i < 40 * 24; i++) {
      assertThat(last.images().get(i))
          .isEqualTo(NumberedDataset.valueOf(60 + i / 24, i % 24) * 4 - 2);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void next_dataSetThatFails_throwsWhatItThrew(int prefetch) {
    AtomicBoolean isBroken = new AtomicBoolean(true);
    RuntimeException failure = new IllegalStateException("damaged");
    NumberedDataset broken =
        new NumberedDataset(
            SIZE,
            index -> {
              if (index == 50 && isBroken.get()) {
                throw failure;
              }
            });
    DatasetBatches batches = open(DatasetBatches.builder(broken).size(5).prefetch(prefetch));
    DatasetBatches whole = batches(builder -> builder.size(5));
    batches.startEpoch(0);
    whole.startEpoch(0);
    int step = 0;
    for (Batch expected = whole.next();
        !Arrays.stream(copy(expected.indices())).anyMatch(index -> index == 50);
        expected = whole.next()) {
      assertSame(batches.next(), expected);
      step++;
    }
    for (int again = 0; again < 2; again++) {
      assertThatThrownBy(batches::next).isSameAs(failure);
    }
    batches.skip(1); // over the damaged one
    assertSame(batches.next(), whole.next());
    isBroken.set(false);
    batches.startEpoch(0);
    batches.skip(step);
    assertThat(copy(batches.next().indices())).contains(50);
  }

  @Test
  void next_dataSetWithTooFewValues_isRefused() {
    Dataset wrong =
        new ForwardingDataset(data) {
          @Override
          public void read(int index, FloatBuffer image) {
            image.put(1); // less than the shape says
          }
        };
    DatasetBatches batches = open(DatasetBatches.builder(wrong).size(5));
    batches.startEpoch(0);
    assertThatThrownBy(batches::next)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("Dataset.read: image must have 24 values (got 1)");
  }

  @Test
  void next_interruptedThread_keepsItsFlag() {
    DatasetBatches batches = batches(builder -> builder.size(7));
    batches.startEpoch(0);
    Thread.currentThread().interrupt();
    Batch batch = batches.next();
    assertThat(Thread.interrupted()).isTrue();
    assertImagesAreTheirs(batch);
  }

  @Test
  void next_interruptedWhileAHelperReads_keepsItsFlag() {
    Thread loop = Thread.currentThread();
    CountDownLatch read = new CountDownLatch(1);
    NumberedDataset slow =
        new NumberedDataset(
            SIZE,
            index -> {
              if (Thread.currentThread() == loop) {
                while (read.getCount() > 0) { // an interrupted thread can't wait
                  Thread.onSpinWait();
                }
              } else {
                read.countDown();
                LockSupport.parkNanos(20_000_000);
              }
            });
    DatasetBatches batches =
        open(DatasetBatches.builder(slow).size(2).prefetch(0).threads(2).build());
    batches.startEpoch(0);
    loop.interrupt();
    Batch batch = batches.next();
    assertThat(Thread.interrupted()).isTrue();
    assertImagesAreTheirs(batch);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void close_interruptedThread_keepsItsFlag(int prefetch) {
    DatasetBatches batches = batches(builder -> builder.size(7).prefetch(prefetch).threads(2));
    batches.startEpoch(0);
    batches.next();
    Thread.currentThread().interrupt();
    batches.close();
    assertThat(Thread.interrupted()).isTrue();
  }

  /** A source without a faster way. */
  @Test
  void skip_batchesOfAnotherSource_readsThem() {
    DatasetBatches batches = batches(builder -> builder.size(10).prefetch(0));
    Batches source =
        new Batches() {
          @Override
          public int stepsPerEpoch() {
            return batches.stepsPerEpoch();
          }

          @Override
          public void startEpoch(int epoch) {
            batches.startEpoch(epoch);
          }

          @Override
          public Batch next() {
            return batches.next();
          }
        };
    source.startEpoch(0);
    source.skip(0);
    source.skip(2);
    assertThat(data.reads).hasValue(20);
  }

  @Test
  void close_waitingNext_failsAndThreadEnds() throws Exception {
    CountDownLatch reading = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    AtomicInteger threads = new AtomicInteger();
    NumberedDataset slow =
        new NumberedDataset(
            SIZE,
            index -> {
              threads.set(System.identityHashCode(Thread.currentThread()));
              reading.countDown();
              awaitUninterrupted(goOn);
            });
    DatasetBatches batches = open(DatasetBatches.builder(slow).size(5));
    batches.startEpoch(0);
    reading.await();
    assertThat(threads).doesNotHaveValue(System.identityHashCode(Thread.currentThread()));
    Thread closing = new Thread(batches::close);
    Thread helping =
        new Thread(
            () -> {
              awaitState(closing, Thread.State.WAITING);
              goOn.countDown();
            });
    helping.start();
    closing.start();
    assertThatThrownBy(batches::next)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("DatasetBatches.next: batches must be open (got closed ones)");
    closing.join();
    helping.join();
    int reads = slow.reads.get();
    batches.close();
    assertThat(slow.reads).hasValue(reads);
    assertThatThrownBy(() -> batches.startEpoch(0))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("DatasetBatches.startEpoch: batches must be open (got closed ones)");
    assertThatThrownBy(() -> batches.skip(0)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void close_beforeTheFirstEpoch_isHarmless() {
    DatasetBatches batches = batches(builder -> builder.size(7));
    batches.close();
    batches.close();
    assertThatThrownBy(batches::next).isInstanceOf(IllegalStateException.class);
  }

  @ParameterizedTest
  @CsvSource({"0, 1", "2, 1", "0, 3", "2, 3"})
  void next_manyTimes_allocatesNothing(int prefetch, int readers) {
    long[] ids = new long[1 << 16];
    NumberedDataset told =
        new NumberedDataset(
            SIZE,
            index -> {
              long id = Thread.currentThread().getId();
              ids[(int) id] = id;
            });
    DatasetBatches batches =
        open(
            DatasetBatches.builder(told)
                .size(9)
                .prefetch(prefetch)
                .threads(readers)
                .labeled(LABELED, 3)
                .augmentation(AUGMENTATION));
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long taker = Thread.currentThread().getId();
    long allocated = 0;
    int epochs = 300;
    for (int epoch = 0; epoch < 2 * epochs; epoch++) {
      batches.startEpoch(epoch);
      batches.next(); // after what an epoch costs at its beginning
      ids[(int) taker] = taker;
      long[] all = LongStream.of(ids).filter(id -> id > 0).toArray();
      long before = allocated(threads, all);
      for (int step = 1; step < batches.stepsPerEpoch(); step++) {
        batches.next();
      }
      allocated += epoch < epochs ? 0 : allocated(threads, all) - before;
    }
    // To ask for it allocates, too, but not for each batch.
    assertThat(allocated / epochs / batches.stepsPerEpoch()).isLessThan(16L * readers);
  }

  @Test
  void waitedNanos_slowDataSet_counts() {
    NumberedDataset slow = new NumberedDataset(SIZE, index -> sleep());
    DatasetBatches batches = open(DatasetBatches.builder(slow).size(5));
    assertThat(batches.waitedNanos()).isZero();
    batches.startEpoch(0);
    batches.next();
    assertThat(batches.waitedNanos()).isPositive();
  }

  @Test
  void calls_outsideAnEpoch_areRefused() {
    DatasetBatches batches = batches(builder -> builder.size(40));
    assertThatThrownBy(batches::next)
        .isInstanceOf(NoSuchElementException.class)
        .hasMessage(
            "DatasetBatches.next: epoch must be started and not at its end (got 0 batches left)");
    batches.startEpoch(0);
    assertThatThrownBy(() -> batches.skip(3))
        .isInstanceOf(NoSuchElementException.class)
        .hasMessage(
            "DatasetBatches.skip: epoch must be started and not at its end (got 2 batches left)");
    batches.skip(2);
    assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
    batches.startEpoch(0);
    batches.next();
    batches.next();
    assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
  }

  @Test
  void builder_badArguments_throw() {
    assertRejected(
        () -> DatasetBatches.builder(null),
        "DatasetBatches.builder: dataset must be given (got null)");
    assertRejected(
        () -> batches(builder -> builder),
        "DatasetBatches.Builder.build: size must be between 1 and 100 (got 0)");
    assertRejected(
        () -> batches(builder -> builder.size(0)),
        "DatasetBatches.Builder.size: images must be at least 1 (got 0)");
    assertRejected(
        () -> batches(builder -> builder.size(101)),
        "DatasetBatches.Builder.build: size must be between 1 and 100 (got 101)");
    assertRejected(
        () -> batches(builder -> builder.size(96).labeled(LABELED, 2)),
        "DatasetBatches.Builder.build: size must be between 1 and 95 (got 96)");
    assertRejected(
        () -> batches(builder -> builder.labeled(null, 2)),
        "DatasetBatches.Builder.labeled: indices must be given (got null)");
    assertRejected(
        () -> batches(builder -> builder.labeled(new int[0], 2)),
        "DatasetBatches.Builder.labeled: indices.length must be between 1 and 99 (got 0)");
    assertRejected(
        () -> batches(builder -> builder.labeled(new int[] {1, 100}, 2)),
        "DatasetBatches.Builder.labeled: indices must be between 0 and 99 (got 100)");
    assertRejected(
        () -> batches(builder -> builder.labeled(new int[] {1, 1}, 2)),
        "DatasetBatches.Builder.labeled: indices must not repeat one (got 1 twice)");
    assertRejected(
        () -> batches(builder -> builder.labeled(LABELED, 0)),
        "DatasetBatches.Builder.labeled: perBatch must be at least 1 (got 0)");
    assertRejected(
        () -> batches(builder -> builder.size(5).withoutOthers()),
        "DatasetBatches.Builder.build: withoutOthers must be used with labeled (got none)");
    assertRejected(
        () -> batches(builder -> builder.prefetch(-1)),
        "DatasetBatches.Builder.prefetch: batches must be between 0 and 1024 (got -1)");
    assertRejected(
        () -> batches(builder -> builder.threads(0)),
        "DatasetBatches.Builder.threads: threads must be between 1 and 1024 (got 0)");
    assertRejected(
        () -> DatasetBatches.inOrder(data, 5, AUGMENTATION, 1025),
        "DatasetBatches.inOrder: threads must be between 1 and 1024 (got 1025)");
    assertRejected(
        () -> batches(builder -> builder.augmentation(null)),
        "DatasetBatches.Builder.augmentation: augmentation must be given (got null)");
    assertRejected(
        () -> batches(builder -> builder.size(5)).startEpoch(-1),
        "DatasetBatches.startEpoch: epoch must be at least 0 (got -1)");
    assertRejected(
        () -> batches(builder -> builder.size(5)).skip(-1),
        "DatasetBatches.skip: count must be at least 0 (got -1)");
    assertRejected(
        () -> DatasetBatches.inOrder(data, 0),
        "DatasetBatches.inOrder: size must be at least 1 (got 0)");
    assertRejected(
        () -> DatasetBatches.inOrder(data, 5, null),
        "DatasetBatches.inOrder: augmentation must be given (got null)");
  }

  private static void assertRejected(ThrowingCallable call, String message) {
    assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
  }

  private DatasetBatches batches(UnaryOperator<DatasetBatches.Builder> options) {
    return open(options.apply(DatasetBatches.builder(data)));
  }

  private DatasetBatches open(DatasetBatches.Builder builder) {
    return open(builder.build());
  }

  private DatasetBatches open(DatasetBatches batches) {
    open.add(batches);
    return batches;
  }

  /** Returns the next batch of a source that was asked for those from 0 to {@code i} − 1. */
  private static Batch batch(Batches batches, int i) {
    if (i % batches.stepsPerEpoch() == 0) {
      batches.startEpoch(i / batches.stepsPerEpoch());
    }
    return batches.next();
  }

  private static List<FloatBuffer> images(Batches batches) {
    List<FloatBuffer> images = new ArrayList<>();
    for (int i = 0; i < 3 * batches.stepsPerEpoch(); i++) {
      images.add(copy(batch(batches, i).images()));
    }
    return images;
  }

  private static void assertSame(Batch actual, Batch expected) {
    assertThat(actual.images()).isEqualTo(expected.images());
    assertThat(actual.labels()).isEqualTo(expected.labels());
    assertThat(actual.indices()).isEqualTo(expected.indices());
  }

  private static void assertImagesAreTheirs(Batch batch) {
    for (int i = 0; i < batch.size(); i++) {
      float[] values = new float[24];
      batch.images().get(i * 24, values);
      assertThat(values).isEqualTo(NumberedDataset.valuesOf((int) batch.indices().get(i)));
    }
  }

  private static FloatBuffer copy(FloatBuffer buffer) {
    return FloatBuffer.allocate(buffer.remaining()).put(buffer.duplicate()).flip();
  }

  private static long[] copy(LongBuffer buffer) {
    long[] values = new long[buffer.remaining()];
    buffer.get(buffer.position(), values);
    return values;
  }

  private static long allocated(ThreadMXBean threads, long... ids) {
    long allocated = 0;
    for (long id : ids) {
      allocated += threads.getThreadAllocatedBytes(id);
    }
    return allocated;
  }

  private static void sleep() {
    try {
      Thread.sleep(1);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void awaitUninterrupted(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static void awaitState(Thread thread, Thread.State state) {
    while (thread.getState() != state) {
      Thread.onSpinWait();
    }
  }
}
