package org.retort.data;

import java.util.Arrays;
import java.util.NoSuchElementException;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.retort.internal.Arguments;

/**
 * Batches of a data set, in a different random order in each epoch, augmented and prefetched: while
 * a step runs, a thread makes the next batches, alone or with {@linkplain Builder#threads others}.
 * {@link Batch#indices()} are the indices in the data set.
 *
 * <p>The batches of an epoch depend only on the data set, the seed and the epoch, so training can
 * resume from any step of any epoch; batches that {@link #skip} skips are not read. Nothing here
 * creates garbage within an epoch.
 *
 * <p>Like all batches, they are meant for one thread, except for {@link #close}, {@link
 * #waitedNanos} and {@link #stepsPerEpoch}. The reading threads start with the first epoch and end
 * when the batches are closed. The data set remains the caller's.
 */
public final class DatasetBatches implements Batches, AutoCloseable {
  private static final String NAME = "DatasetBatches";

  private final BatchReader reader;
  private final @Nullable Prefetch prefetch; // null if batches are read in next()
  private final @Nullable Batch batch; // of next() without prefetching
  private int epoch = -1;
  private int step;
  private long fingerprint; // 0 until requested
  private volatile boolean closed;
  private volatile long waited;

  private DatasetBatches(BatchReader reader, int prefetched) {
    this.reader = reader;
    prefetch = prefetched == 0 ? null : new Prefetch(reader, prefetched);
    batch = prefetched == 0 ? reader.newBatch() : null;
  }

  /**
   * Returns a builder of batches for training.
   *
   * @param dataset the data
   * @return a new builder
   * @throws IllegalArgumentException if it is null
   */
  public static Builder builder(Dataset dataset) {
    Arguments.notNull(dataset, NAME + ".builder", "dataset");
    return new Builder(dataset);
  }

  /**
   * Creates batches for evaluation: all images in the order of the data set, the remainder in the
   * last batch, two batches prefetched.
   *
   * @param dataset the data
   * @param size images per batch, at least 1
   * @return the batches
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public static DatasetBatches inOrder(Dataset dataset, int size) {
    return inOrder(dataset, size, Augmentation.none());
  }

  /**
   * Creates batches for evaluation, like {@link #inOrder(Dataset, int)}, of augmented images.
   *
   * @param dataset the data
   * @param size images per batch, at least 1
   * @param augmentation for example {@link Augmentation#withoutDraws} of the training augmentation
   * @return the batches
   * @throws IllegalArgumentException if an argument is null or out of range, or the augmentation
   *     does not fit the images
   */
  public static DatasetBatches inOrder(Dataset dataset, int size, Augmentation augmentation) {
    return inOrder(dataset, size, augmentation, 1);
  }

  /**
   * Creates batches for evaluation, like {@link #inOrder(Dataset, int, Augmentation)}, whose images
   * are read by several threads.
   *
   * @param dataset the data
   * @param size images per batch, at least 1
   * @param augmentation for example {@link Augmentation#withoutDraws} of the training augmentation
   * @param threads the number of reading threads, from 1 to 1,024, see {@link Builder#threads}
   * @return the batches
   * @throws IllegalArgumentException if an argument is null or out of range, or the augmentation
   *     does not fit the images
   */
  public static DatasetBatches inOrder(
      Dataset dataset, int size, Augmentation augmentation, int threads) {
    Arguments.notNull(dataset, NAME + ".inOrder", "dataset");
    Arguments.atLeast(size, 1, NAME + ".inOrder", "size");
    Arguments.notNull(augmentation, NAME + ".inOrder", "augmentation");
    Arguments.between(threads, 1, Builder.MOST_THREADS, NAME + ".inOrder", "threads");
    augmentation.check(NAME + ".inOrder", dataset.shape());
    int count = Math.min(size, dataset.size());
    int steps = (dataset.size() - 1) / count + 1;
    BatchPart all = BatchPart.inOrder(IntStream.range(0, dataset.size()).toArray(), count);
    return new DatasetBatches(
        new BatchReader(dataset, steps, 0, augmentation, threads, all), Builder.DEFAULT_PREFETCH);
  }

  @Override
  public int stepsPerEpoch() {
    return reader.stepsPerEpoch();
  }

  @Override
  public void startEpoch(int epoch) {
    Arguments.atLeast(epoch, 0, NAME + ".startEpoch", "epoch");
    this.epoch = epoch;
    goTo(0, "startEpoch");
  }

  /**
   * Skips batches of the epoch without reading them.
   *
   * @param count the number of batches, at least 0
   * @throws IllegalArgumentException if the number is negative
   * @throws NoSuchElementException if the epoch has fewer left, or none was started
   * @throws IllegalStateException if the batches were closed
   */
  @Override
  public void skip(int count) {
    Arguments.atLeast(count, 0, NAME + ".skip", "count");
    requireOpen("skip");
    if (count > 0) {
      requireLeft("skip", count);
      goTo(step + count, "skip");
    }
  }

  private void goTo(int newStep, String method) {
    requireOpen(method);
    step = newStep;
    if (prefetch != null) {
      prefetch.start(epoch, step);
    } else {
      reader.start(epoch, step);
    }
  }

  /**
   * Returns the next batch of the epoch, waiting for it if it is not ready.
   *
   * @return a batch that remains unchanged until the next call, its images of the augmentation's
   *     {@linkplain Augmentation#outputShape output shape}
   * @throws NoSuchElementException if the epoch has ended, or none was started
   * @throws IllegalStateException if the batches were closed, even while waiting
   * @throws RuntimeException whatever the data set threw when this batch was read, and again until
   *     an epoch is started or batches are skipped
   */
  @Override
  public Batch next() {
    requireOpen("next");
    requireLeft("next", 1);
    long start = System.nanoTime();
    Batch next = prefetch == null ? read() : prefetch.next();
    waited += System.nanoTime() - start;
    if (next == null) {
      throw closed("next");
    }
    step++;
    return next;
  }

  private @Nullable Batch read() {
    try {
      return reader.read(batch) ? batch : null;
    } catch (RuntimeException | Error e) {
      reader.start(epoch, step);
      throw e;
    }
  }

  /**
   * Identifies the content of the batches: a hash of {@link Dataset#fingerprint}, seed,
   * augmentation, number of images per batch, and which of them are labelled. The number of
   * prefetched batches, of threads, and of ranks that share the batches does not matter. Computed
   * on the first call.
   *
   * @return a hash, the same in every process and on every machine; never 0
   * @throws org.retort.FileException if a file that the data set depends on can't be read
   */
  @Override
  public long fingerprint() {
    if (fingerprint == 0) {
      fingerprint = reader.fingerprint();
    }
    return fingerprint;
  }

  /**
   * Returns the time that {@link #next} has taken: what training has lost waiting for data.
   *
   * @return nanoseconds since these batches were created
   */
  public long waitedNanos() {
    return waited;
  }

  /**
   * Ends the threads once the images they are reading are done, and makes a waiting {@link #next}
   * fail. Has no effect if already closed.
   */
  @Override
  public void close() {
    closed = true;
    reader.close();
    if (prefetch != null) {
      prefetch.close();
    }
  }

  private void requireOpen(String method) {
    if (closed) {
      throw closed(method);
    }
  }

  private static IllegalStateException closed(String method) {
    return new IllegalStateException(
        NAME + "." + method + ": batches must be open (got closed ones)");
  }

  private void requireLeft(String method, int count) {
    int left = epoch < 0 ? 0 : reader.stepsPerEpoch() - step;
    if (count > left) {
      throw new NoSuchElementException(
          NAME
              + "."
              + method
              + ": epoch must be started and not at its end (got "
              + left
              + " batches left)");
    }
  }

  /** A builder of batches from a data set. */
  public static final class Builder {
    private static final int DEFAULT_PREFETCH = 2;
    private static final int MOST_PREFETCH = 1024;
    private static final int MOST_THREADS = 1024;

    private final Dataset dataset;
    private int size;
    private long seed;
    private Augmentation augmentation = Augmentation.none();
    private int prefetch = DEFAULT_PREFETCH;
    private int threads = 1;
    private int @Nullable [] labeled;
    private int labeledSize;
    private boolean withoutOthers;
    private int rank;
    private int ranks = 1;
    private boolean sharded;

    private Builder(Dataset dataset) {
      this.dataset = dataset;
    }

    /**
     * Sets the number of images per batch; required. Images that do not fill a batch at the end of
     * an epoch are left out.
     *
     * @param images at least 1; with {@link #labeled}, the number without a label; with {@link
     *     #share}, of all ranks together
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder size(int images) {
      Arguments.atLeast(images, 1, NAME + ".Builder.size", "images");
      size = images;
      return this;
    }

    /**
     * Sets the seed for order and augmentation; 0 by default.
     *
     * @param seed any number
     * @return this builder
     */
    public Builder seed(long seed) {
      this.seed = seed;
      return this;
    }

    /**
     * Sets the augmentation of the images; none by default.
     *
     * @param augmentation the augmentation
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder augmentation(Augmentation augmentation) {
      Arguments.notNull(augmentation, NAME + ".Builder.augmentation", "augmentation");
      this.augmentation = augmentation;
      return this;
    }

    /**
     * Sets the number of batches to prefetch, each of which takes its own memory; 2 by default.
     *
     * @param batches from 0, in which case {@link DatasetBatches#next} makes them itself and there
     *     is no thread, to 1,024
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder prefetch(int batches) {
      Arguments.between(batches, 0, MOST_PREFETCH, NAME + ".Builder.prefetch", "batches");
      prefetch = batches;
      return this;
    }

    /**
     * Sets the number of threads that read the images of a batch at once; 1 by default, which is
     * enough for data in memory. Photos take a few milliseconds each to decode, more time than a
     * training step leaves one thread. The thread that makes batches is one of them, and starts the
     * others. The batches are the same for any number.
     *
     * @param threads from 1 to 1,024
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder threads(int threads) {
      Arguments.between(threads, 1, MOST_THREADS, NAME + ".Builder.threads", "threads");
      this.threads = threads;
      return this;
    }

    /**
     * Hides the labels ({@link Batch#UNLABELED}) of all other images, and makes batches of some
     * labelled ones, placed first, and {@link #size} others. By default, every image keeps its
     * label.
     *
     * <p>The labelled ones are drawn afresh for each batch, without repetition; if there are fewer
     * than requested, each batch holds all of them. The others come from passes in random order.
     *
     * @param indices the images that keep their labels, each once
     * @param perBatch labelled images per batch, at least 1
     * @return this builder
     * @throws IllegalArgumentException if an argument is null or out of range
     */
    public Builder labeled(int[] indices, int perBatch) {
      String function = NAME + ".Builder.labeled";
      Arguments.notNull(indices, function, "indices");
      Arguments.between(indices.length, 1, dataset.size() - 1L, function, "indices.length");
      Arguments.atLeast(perBatch, 1, function, "perBatch");
      boolean[] isLabeled = new boolean[dataset.size()];
      for (int index : indices) {
        Arguments.between(index, 0, dataset.size() - 1L, function, "indices");
        if (isLabeled[index]) {
          throw new IllegalArgumentException(
              function + ": indices must not repeat one (got " + index + " twice)");
        }
        isLabeled[index] = true;
      }
      labeled = indices.clone();
      labeledSize = perBatch;
      return this;
    }

    /**
     * Leaves the images without a label out of the batches of {@link #labeled}; the labelled part
     * is the same as with them, in the same order and augmented in the same way, with the same
     * number of steps per epoch. Use it to compare two students that differ only in how they learn
     * from the others.
     *
     * @return this builder
     */
    public Builder withoutOthers() {
      withoutOthers = true;
      return this;
    }

    /**
     * Selects the batches of one of several ranks, each of which gets its share of every batch; see
     * {@link org.retort.distributed.Ranks}. {@link #size} and {@link #labeled} count the images of
     * all ranks together, and the shares differ by at most one. Hence the order of the images, the
     * number of steps, the images left out at the end of an epoch, augmentation and {@link
     * DatasetBatches#fingerprint} do not depend on the number of ranks, and training may resume
     * with any. By default, there is one rank.
     *
     * @param rank the rank, at least 0 and below the number of ranks
     * @param size the number of ranks, at least 1 and at most the number of images per batch
     * @return this builder
     * @throws IllegalArgumentException if a number is out of range
     */
    public Builder share(int rank, int size) {
      return ranks("share", rank, size, false);
    }

    /**
     * Selects the batches of one of several ranks that each hold a shard of the data: the images
     * whose index modulo {@code size} is the rank; others are not read, but their labels are.
     * {@link #size} and {@link #labeled} count the images of all ranks together, of which each rank
     * draws its share from its own shard, in its own order. All ranks have the same number of
     * steps, as many as the smallest shard allows, and the same {@link DatasetBatches#fingerprint},
     * which depends on the number of ranks. A rank whose shard has fewer labelled images than its
     * share draws only those.
     *
     * @param rank the rank, at least 0 and below the number of ranks
     * @param size the number of ranks, at least 1 and at most the number of images per batch
     * @return this builder
     * @throws IllegalArgumentException if a number is out of range
     */
    public Builder shard(int rank, int size) {
      return ranks("shard", rank, size, true);
    }

    private Builder ranks(String method, int rank, int size, boolean sharded) {
      String function = NAME + ".Builder." + method;
      Arguments.atLeast(size, 1, function, "size");
      Arguments.between(rank, 0, size - 1L, function, "rank");
      this.rank = rank;
      this.ranks = size;
      this.sharded = sharded;
      return this;
    }

    /**
     * Creates the batches. Nothing is read yet.
     *
     * @return new batches, which the caller must close
     * @throws IllegalArgumentException if the size is missing or larger than the data, the
     *     augmentation does not fit the images, {@link #withoutOthers} is used without {@link
     *     #labeled}, a batch has fewer images than there are ranks, or needs more than 2 GiB
     */
    public DatasetBatches build() {
      String function = NAME + ".Builder.build";
      augmentation.check(function, dataset.shape());
      if (withoutOthers && labeled == null) {
        throw new IllegalArgumentException(
            function + ": withoutOthers must be used with labeled (got none)");
      }
      int[] others = others();
      Arguments.between(size, 1, others.length, function, "size");
      int wholeSteps = others.length / size;
      BatchPart pass = BatchPart.shuffled(others, size, wholeSteps * size, labeled == null);
      BatchPart[] whole = parts(pass);
      int[] firsts = firsts(whole);
      BatchPart[] wanted = withoutOthers ? Arrays.copyOf(whole, whole.length - 1) : whole;
      requireOneEach(function, wanted, firsts);
      int steps = sharded ? shardSteps(function, pass, firsts[whole.length - 1]) : wholeSteps;
      BatchPart[] own = new BatchPart[wanted.length];
      for (int i = 0; i < own.length; i++) {
        own[i] =
            sharded
                ? wanted[i].shard(rank, ranks, firsts[i], wanted[i] == pass ? steps : 0)
                : wanted[i].share(rank, ranks, firsts[i]);
      }
      return new DatasetBatches(
          new BatchReader(dataset, steps, seed, augmentation, threads, own), prefetch);
    }

    /**
     * Returns the first rank to get one more image of each part: after those that got more of
     * others.
     */
    private int[] firsts(BatchPart[] parts) {
      int[] firsts = new int[parts.length];
      for (int i = 1; i < parts.length; i++) {
        firsts[i] = (firsts[i - 1] + parts[i - 1].count()) % ranks;
      }
      return firsts;
    }

    private void requireOneEach(String function, BatchPart[] parts, int[] firsts) {
      int all = Stream.of(parts).mapToInt(BatchPart::count).sum();
      int[] images = new int[ranks];
      for (int i = 0; i < parts.length && sharded; i++) {
        int[] counts = parts[i].shardCounts(ranks, firsts[i]);
        Arrays.setAll(images, other -> images[other] + counts[other]);
      }
      if (sharded ? IntStream.of(images).anyMatch(count -> count == 0) : all < ranks) {
        throw new IllegalArgumentException(
            function
                + ": images of a batch must be at least one for each of "
                + ranks
                + " ranks (got "
                + all
                + ")");
      }
    }

    private int shardSteps(String function, BatchPart pass, int first) {
      int steps = pass.shardSteps(ranks, first);
      if (steps < 1) {
        throw new IllegalArgumentException(
            function
                + ": each of "
                + ranks
                + " shards must have enough images for its share of a batch (got "
                + size
                + " images per batch and "
                + dataset.size()
                + " in all)");
      }
      return steps;
    }

    private int[] others() {
      boolean[] isLabeled = new boolean[dataset.size()];
      if (labeled != null) {
        for (int index : labeled) {
          isLabeled[index] = true;
        }
      }
      return IntStream.range(0, isLabeled.length).filter(i -> !isLabeled[i]).toArray();
    }

    private BatchPart[] parts(BatchPart pass) {
      if (labeled == null) {
        return new BatchPart[] {pass};
      }
      int count = Math.min(labeledSize, labeled.length);
      BatchPart drawn = BatchPart.shuffled(labeled, count, count, true);
      return new BatchPart[] {drawn, pass};
    }
  }
}
