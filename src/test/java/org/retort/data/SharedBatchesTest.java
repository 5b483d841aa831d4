package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.IntSummaryStatistics;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Each of several ranks gets its part of the batches that one would get alone. */
final class SharedBatchesTest {
  private static final int SIZE = 100;
  private static final int[] LABELED = {3, 17, 40, 41, 99};
  private static final Augmentation AUGMENTATION =
      Augmentation.none().withReflectedCrop(2).withFlip(0.5);

  private final List<DatasetBatches> open = new ArrayList<>();
  private final NumberedDataset data = new NumberedDataset(SIZE);

  /**
   * How batches are made.
   *
   * @param name what it is about
   * @param options sets the options
   */
  record Case(String name, UnaryOperator<DatasetBatches.Builder> options) {
    @Override
    public String toString() {
      return name;
    }
  }

  /**
   * An image of a batch.
   *
   * @param index its index
   * @param label its label
   * @param image its values
   */
  record Sample(long index, long label, FloatBuffer image) {}

  @AfterEach
  void close() {
    open.forEach(DatasetBatches::close);
  }

  static Stream<Case> cases() {
    return Stream.of(
        new Case("plain", builder -> builder.size(7).seed(3)),
        new Case("augmented", builder -> builder.size(12).augmentation(AUGMENTATION)),
        new Case("read in next()", builder -> builder.size(9).prefetch(0)),
        new Case("several threads", builder -> builder.size(30).threads(3)),
        new Case(
            "labelled", builder -> builder.size(9).labeled(LABELED, 2).augmentation(AUGMENTATION)),
        new Case("all labelled", builder -> builder.size(6).labeled(LABELED, 30)),
        new Case("labelled alone", builder -> builder.size(9).labeled(LABELED, 5).withoutOthers()));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void share_batchesOfAllRanks_areThoseOfOne(Case each) {
    DatasetBatches whole = batches(each.options);
    for (int size = 1; size <= 5; size++) {
      List<DatasetBatches> shares = shares(each.options, size);
      assertThat(shares).allMatch(share -> share.stepsPerEpoch() == whole.stepsPerEpoch());
      assertThat(shares).allMatch(share -> share.fingerprint() == whole.fingerprint());
      for (int epoch : new int[] {0, 4}) {
        whole.startEpoch(epoch);
        shares.forEach(share -> share.startEpoch(epoch));
        for (int step = 0; step < whole.stepsPerEpoch(); step++) {
          List<Sample> expected = samples(whole.next());
          List<List<Sample>> parts = shares.stream().map(share -> samples(share.next())).toList();
          List<Sample> together = parts.stream().flatMap(List::stream).toList();
          // Each part of a batch is divided by itself.
          Predicate<Sample> isLabeled = sample -> sample.label() != Batch.UNLABELED;
          assertThat(together.stream().filter(isLabeled))
              .isEqualTo(expected.stream().filter(isLabeled).toList());
          assertThat(together.stream().filter(isLabeled.negate()))
              .isEqualTo(expected.stream().filter(isLabeled.negate()).toList());
          IntSummaryStatistics sizes = parts.stream().mapToInt(List::size).summaryStatistics();
          assertThat(sizes.getMin()).isPositive();
          assertThat(sizes.getMax() - sizes.getMin()).isLessThanOrEqualTo(1);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void share_skip_goesOnWithWhatFollows(int prefetch) {
    UnaryOperator<DatasetBatches.Builder> options =
        builder -> builder.size(7).prefetch(prefetch).labeled(LABELED, 3);
    for (DatasetBatches share : shares(options, 3)) {
      share.startEpoch(2);
      for (int i = 0; i < 8; i++) {
        share.next();
      }
      List<Sample> expected = samples(share.next());
      share.startEpoch(2);
      share.skip(8);
      assertThat(samples(share.next())).isEqualTo(expected);
    }
  }

  @Test
  void share_imagesOfOthers_areNotRead() {
    DatasetBatches share = batches(builder -> builder.size(10).prefetch(0).share(1, 5));
    share.startEpoch(0);
    share.next();
    share.next();
    assertThat(data.reads).hasValue(4);
  }

  @Test
  void share_invalidArguments_areRejected() {
    DatasetBatches.Builder builder = DatasetBatches.builder(data).size(3);
    assertIllegal(
        () -> builder.share(0, 0), "DatasetBatches.Builder.share: size must be at least 1 (got 0)");
    for (int rank : new int[] {-1, 2}) {
      assertIllegal(
          () -> builder.share(rank, 2),
          "DatasetBatches.Builder.share: rank must be between 0 and 1 (got " + rank + ")");
    }
    assertIllegal(
        () -> builder.share(1, 4).build(),
        "DatasetBatches.Builder.build: images of a batch must be at least one for each of 4 ranks"
            + " (got 3)");
    assertIllegal(
        () -> builder.size(9).labeled(LABELED, 3).withoutOthers().build(),
        "DatasetBatches.Builder.build: images of a batch must be at least one for each of 4 ranks"
            + " (got 3)");
  }

  private List<DatasetBatches> shares(UnaryOperator<DatasetBatches.Builder> options, int size) {
    return IntStream.range(0, size)
        .mapToObj(rank -> batches(builder -> options.apply(builder).share(rank, size)))
        .toList();
  }

  private DatasetBatches batches(UnaryOperator<DatasetBatches.Builder> options) {
    DatasetBatches batches = options.apply(DatasetBatches.builder(data)).build();
    open.add(batches);
    return batches;
  }

  private static List<Sample> samples(Batch batch) {
    int values = batch.images().remaining() / batch.size();
    return IntStream.range(0, batch.size())
        .mapToObj(
            i -> {
              float[] image = new float[values];
              batch.images().get(i * values, image);
              return new Sample(
                  batch.indices().get(i), batch.labels().get(i), FloatBuffer.wrap(image));
            })
        .toList();
  }
}
