package org.retort.data;

import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The labelled images of a batch, or the others, or all: a pool of indices, drawn either in random
 * order, with its own random generator in each epoch, or in their own order.
 */
final class BatchPart {
  private final int[] pool;
  private final int count;
  private final int perPass;
  private final boolean labeled;
  private final boolean inOrder;
  private final int own; // where this rank's images begin in each batch
  private final int ownCount;
  private final @Nullable Shard shard; // null if every rank draws from the whole pool
  private @Nullable Sampler sampler;
  private long drawn; // by all ranks

  /**
   * The shard of a rank that draws from its own pool.
   *
   * @param rank the rank it belongs to
   * @param size number of shards
   * @param whole the part that all ranks together draw from
   */
  private record Shard(int rank, int size, BatchPart whole) {}

  private BatchPart(
      int[] pool,
      int count,
      int perPass,
      boolean labeled,
      boolean inOrder,
      int own,
      int ownCount,
      @Nullable Shard shard) {
    this.pool = pool;
    this.count = count;
    this.perPass = perPass;
    this.labeled = labeled;
    this.inOrder = inOrder;
    this.own = own;
    this.ownCount = ownCount;
    this.shard = shard;
  }

  /** Draws {@code count} per batch, {@code perPass} without repetition. */
  static BatchPart shuffled(int[] pool, int count, int perPass, boolean labeled) {
    return new BatchPart(pool, count, perPass, labeled, false, 0, count, null);
  }

  /** Takes {@code count} per batch, and the remainder in the last. */
  static BatchPart inOrder(int[] pool, int count) {
    return new BatchPart(pool, count, pool.length, true, true, 0, count, null);
  }

  /**
   * Gives each rank a contiguous run of every batch, in the order of ranks. All draw the same.
   *
   * @param first the rank that gets the first of the images left over after an even split
   */
  BatchPart share(int rank, int size, int first) {
    int before = 0;
    for (int other = 0; other < rank; other++) {
      before += countOf(other, size, first);
    }
    return new BatchPart(
        pool, count, perPass, labeled, inOrder, before, countOf(rank, size, first), null);
  }

  /**
   * Lets each rank draw from its own shard, the indices equal to the rank modulo {@code size};
   * fewer than its share if the shard has fewer.
   *
   * @param first as for {@link #share}
   * @param steps number of batches between two draws of the same image; 0 to draw each batch afresh
   */
  BatchPart shard(int rank, int size, int first, int steps) {
    int[] ownPool = IntStream.of(pool).filter(index -> index % size == rank).toArray();
    int drawn = Math.min(countOf(rank, size, first), ownPool.length);
    return new BatchPart(
        ownPool,
        drawn,
        Math.max(1, steps) * drawn,
        labeled,
        false,
        0,
        drawn,
        new Shard(rank, size, this));
  }

  /** Returns for how many batches every shard suffices without drawing an image twice. */
  int shardSteps(int size, int first) {
    int[] sizes = shardSizes(size);
    return IntStream.range(0, size)
        .filter(rank -> countOf(rank, size, first) > 0)
        .map(rank -> sizes[rank] / countOf(rank, size, first))
        .min()
        .orElse(0);
  }

  /** Returns how many images of a batch come from each rank's shard. */
  int[] shardCounts(int size, int first) {
    int[] sizes = shardSizes(size);
    return IntStream.range(0, size)
        .map(rank -> Math.min(countOf(rank, size, first), sizes[rank]))
        .toArray();
  }

  private int[] shardSizes(int size) {
    int[] sizes = new int[size];
    for (int index : pool) {
      sizes[index % size]++;
    }
    return sizes;
  }

  private int countOf(int rank, int size, int first) {
    boolean hasOneMore = Math.floorMod(rank - first, size) < count % size;
    return count / size + (hasOneMore ? 1 : 0);
  }

  /** Adds everything that decides what is drawn. */
  void addTo(Fingerprint fingerprint) {
    if (shard != null) {
      shard.whole.addTo(fingerprint.add(shard.size));
      return;
    }
    fingerprint.add(pool).add(count).add(perPass).add(labeled).add(inOrder);
  }

  /** Returns the number of images in a batch of all ranks. */
  int count() {
    return count;
  }

  /** Returns the number of images in a batch of this rank. */
  int ownCount() {
    return ownCount;
  }

  /** Moves to batch {@code step} of an epoch. */
  void start(SplittableRandom random, int step) {
    drawn = (long) step * count;
    if (!inOrder) {
      // Otherwise all ranks would draw the same positions in their shards.
      SplittableRandom draws =
          shard == null
              ? random
              : new SplittableRandom(SplitMix64.hash(random.nextLong() + shard.rank));
      sampler = new Sampler(pool, perPass, draws);
      for (long i = 0; i < drawn; i++) {
        sampler.next();
      }
    }
  }

  /** Appends the indices and labels of the next images. */
  void choose(Dataset dataset, Batch batch) {
    long firstOwn = drawn + own;
    long end = inOrder ? Math.min(drawn + count, pool.length) : drawn + count;
    for (; drawn < end; drawn++) {
      int index = inOrder ? pool[(int) drawn] : sampler.next();
      if (drawn < firstOwn || drawn >= firstOwn + ownCount) {
        continue;
      }
      batch.labels().put(labeled ? dataset.label(index) : Batch.UNLABELED);
      batch.indices().put(index);
    }
  }

  /**
   * Returns the number of passes over the pool before the one in which batch {@code step} begins.
   */
  long round(long epoch, int step, int stepsPerEpoch) {
    if (count == 0) {
      return 0; // this rank's shard has no image of this part
    }
    long passesPerEpoch = ((long) stepsPerEpoch * count + perPass - 1) / perPass;
    return epoch * passesPerEpoch + (long) step * count / perPass;
  }
}
