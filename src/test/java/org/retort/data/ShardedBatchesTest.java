package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Each of several ranks draws its part of a batch from its own shard of the data. */
final class ShardedBatchesTest {
  private static final int SIZE = 103;
  private static final int[] LABELED = {3, 17, 40, 41, 99};

  private final List<DatasetBatches> open = new ArrayList<>();
  private final NumberedDataset data = new NumberedDataset(SIZE);

  @AfterEach
  void close() {
    open.forEach(DatasetBatches::close);
  }

  private List<DatasetBatches> shards(int size, UnaryOperator<DatasetBatches.Builder> options) {
    List<DatasetBatches> shards = new ArrayList<>();
    for (int rank = 0; rank < size; rank++) {
      shards.add(options.apply(DatasetBatches.builder(data)).shard(rank, size).build());
    }
    open.addAll(shards);
    return shards;
  }

  private static List<Long> indices(Batch batch) {
    List<Long> indices = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      indices.add(batch.indices().get(i));
    }
    return indices;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7})
  void shard_anEpoch_readsOwnImagesOnlyAndNoneTwice(int size) {
    List<DatasetBatches> shards = shards(size, builder -> builder.size(10));
    int steps = shards.get(0).stepsPerEpoch();
    assertThat(shards).allMatch(shard -> shard.stepsPerEpoch() == steps);
    assertThat(shards).allMatch(shard -> shard.fingerprint() == shards.get(0).fingerprint());
    Set<Long> left = new HashSet<>();
    for (int epoch = 0; epoch < 3; epoch++) {
      Set<Long> read = new HashSet<>();
      for (int step = 0; step < steps; step++) {
        int images = 0;
        for (int rank = 0; rank < size; rank++) {
          if (step == 0) {
            shards.get(rank).startEpoch(epoch);
          }
          int own = rank;
          Batch batch = shards.get(rank).next();
          images += batch.size();
          assertThat(indices(batch)).allMatch(index -> index % size == own).allMatch(read::add);
          for (int i = 0; i < batch.size(); i++) {
            assertThat(batch.labels().get(i)).isEqualTo(data.label((int) batch.indices().get(i)));
          }
        }
        assertThat(images).isEqualTo(10);
      }
      Set<Long> unread = new HashSet<>();
      IntStream.range(0, SIZE)
          .filter(i -> !read.contains((long) i))
          .forEach(i -> unread.add((long) i));
      assertThat(unread).as("what is left over rotates").isNotEqualTo(left);
      left = unread;
    }
  }

  @Test
  void shard_ranks_drawDifferentPlacesOfTheirShards() {
    List<DatasetBatches> shards = shards(2, builder -> builder.size(20).seed(5));
    shards.forEach(shard -> shard.startEpoch(0));
    List<Long> first = indices(shards.get(0).next()).stream().map(index -> index / 2).toList();
    List<Long> second = indices(shards.get(1).next()).stream().map(index -> index / 2).toList();
    assertThat(first).isNotEqualTo(second);
  }

  @Test
  void shard_ofOneRank_isTheWhole() {
    DatasetBatches whole = DatasetBatches.builder(data).size(7).seed(3).build();
    open.add(whole);
    DatasetBatches shard = shards(1, builder -> builder.size(7).seed(3)).get(0);
    assertThat(shard.stepsPerEpoch()).isEqualTo(whole.stepsPerEpoch());
    shard.startEpoch(1);
    assertThat(indices(shard.next())).hasSize(7).doesNotHaveDuplicates();
  }

  @Test
  void shard_ofOtherNumberOfRanks_hasAnotherFingerprint() {
    Set<Long> fingerprints = new HashSet<>();
    for (int size = 1; size <= 4; size++) {
      fingerprints.add(shards(size, builder -> builder.size(8)).get(0).fingerprint());
    }
    assertThat(fingerprints).hasSize(4);
    fingerprints.add(shards(2, builder -> builder.size(6)).get(0).fingerprint());
    assertThat(fingerprints).as("of another size, too").hasSize(5);
    for (int first = 0; first < 3; first++) {
      int[] labeled = {first, 17, 40, 41, 98};
      List<DatasetBatches> shards = shards(2, builder -> builder.size(8).labeled(labeled, 4));
      fingerprints.add(shards.get(0).fingerprint());
    }
    assertThat(fingerprints).as("of other labels, too").hasSize(8);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void shard_skip_goesOnWithWhatFollows(int prefetch) {
    for (DatasetBatches shard : shards(3, builder -> builder.size(9).prefetch(prefetch))) {
      shard.startEpoch(2);
      for (int i = 0; i < 5; i++) {
        shard.next();
      }
      List<Long> expected = indices(shard.next());
      shard.startEpoch(2);
      shard.skip(5);
      assertThat(indices(shard.next())).isEqualTo(expected);
    }
  }

  @Test
  void shard_labeled_givesEachRankItsOwn() {
    // Of the five, rank 0 of 2 has 40 alone.
    List<DatasetBatches> shards = shards(2, builder -> builder.size(8).labeled(LABELED, 4));
    for (DatasetBatches shard : shards) {
      shard.startEpoch(0);
      for (int step = 0; step < shard.stepsPerEpoch(); step++) {
        Batch batch = shard.next();
        List<Long> labeled = new ArrayList<>();
        for (int i = 0; i < batch.size(); i++) {
          if (batch.labels().get(i) != Batch.UNLABELED) {
            labeled.add(batch.indices().get(i));
          }
        }
        if (shard == shards.get(0)) {
          assertThat(labeled).containsExactly(40L);
        } else {
          assertThat(labeled).hasSize(2).isSubsetOf(3L, 17L, 41L, 99L).doesNotHaveDuplicates();
        }
      }
    }
  }

  @Test
  void shard_withoutLabeledImagesOfItsOwn_hasTheOthers() {
    List<DatasetBatches> shards = shards(4, builder -> builder.size(8).labeled(LABELED, 2));
    for (DatasetBatches shard : shards) {
      shard.startEpoch(0);
      for (int step = 0; step < shard.stepsPerEpoch(); step++) {
        assertThat(shard.next().size()).isPositive();
      }
    }
  }

  @Test
  void shard_withTooFewImages_isRefused() {
    assertIllegal(
        () -> shards(4, builder -> builder.size(3)),
        "DatasetBatches.Builder.build: images of a batch must be at least one for each of 4 ranks"
            + " (got 3)");
    assertIllegal(
        () -> shards(2, builder -> builder.size(100).labeled(new int[] {1, 3, 5}, 2)),
        "DatasetBatches.Builder.build: each of 2 shards must have enough images for its share of a"
            + " batch (got 100 images per batch and 103 in all)");
    assertIllegal(
        () -> shards(2, builder -> builder.size(1).labeled(new int[] {3, 17}, 2).withoutOthers()),
        "DatasetBatches.Builder.build: images of a batch must be at least one for each of 2 ranks"
            + " (got 2)");
    assertIllegal(
        () -> DatasetBatches.builder(data).shard(2, 2),
        "DatasetBatches.Builder.shard: rank must be between 0 and 1 (got 2)");
  }
}
