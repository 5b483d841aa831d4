package org.retort.data;

import java.util.NoSuchElementException;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/**
 * Training batches of the digits. Every image is moved by a random (dy, dx), each from −1 to 1, and
 * what moves in is zero. {@link Batch#indices()} are the images' positions among the training
 * images.
 *
 * <p>A source fills the same batch again and again, and makes no garbage within an epoch.
 */
public final class DigitBatches implements Batches {
  /**
   * The labelled or the unlabelled images of a batch, which have a random generator of their own in
   * each epoch.
   */
  private static final class Part {
    private final int[] pool;
    private final int count;
    private final int perPass;
    private final boolean labeled;
    private RandomGenerator random;
    private Sampler sampler;

    Part(int[] pool, int count, int perPass, boolean labeled) {
      this.pool = pool;
      this.count = count;
      this.perPass = perPass;
      this.labeled = labeled;
    }

    void startEpoch(RandomGenerator random) {
      this.random = random;
      sampler = new Sampler(pool, perPass, random);
    }

    void fill(Batch batch, Digits digits) {
      for (int i = 0; i < count; i++) {
        int position = sampler.next();
        digits.copyTrain(position, random.nextInt(3) - 1, random.nextInt(3) - 1, batch.images());
        batch.labels().put(labeled ? digits.trainLabel(position) : Batch.UNLABELED);
        batch.indices().put(position);
      }
    }
  }

  private final Digits digits;
  private final int stepsPerEpoch;
  private final long seed;
  private final Part[] parts;
  private final Batch batch;
  private int left;

  private DigitBatches(Digits digits, int stepsPerEpoch, long seed, Part... parts) {
    this.digits = digits;
    this.stepsPerEpoch = stepsPerEpoch;
    this.seed = seed;
    this.parts = parts;
    int size = 0;
    for (Part part : parts) {
      size += part.count;
    }
    batch = Batch.allocate(size, Digits.CHANNELS, Digits.SIDE, Digits.SIDE);
  }

  /**
   * Makes batches for training with every label: passes over all training images in random order.
   * What does not fill a batch at the end of a pass is left out.
   *
   * @param digits the data
   * @param size images a batch, from 1 to the number of training images
   * @param seed of the order and the moves
   * @return the batches
   * @throws IllegalArgumentException if an argument is null or out of its range
   */
  public static DigitBatches all(Digits digits, int size, long seed) {
    Arguments.requireGiven("DigitBatches.all: digits", digits);
    Arguments.requireBetween("DigitBatches.all: size", size, 1, Digits.TRAIN_SIZE);
    int steps = Digits.TRAIN_SIZE / size;
    int[] pool = IntStream.range(0, Digits.TRAIN_SIZE).toArray();
    return new DigitBatches(digits, steps, seed, new Part(pool, size, steps * size, true));
  }

  /**
   * Makes batches of labelled images, placed first, and of others whose labels are hidden ({@link
   * Batch#UNLABELED}).
   *
   * <p>The labelled ones are drawn afresh for each batch, without repetition; if there are fewer
   * than asked for, each batch holds all of them. The others come from passes in random order; what
   * does not fill a batch at the end of a pass is left out.
   *
   * @param digits the data
   * @param labeled the positions of the labelled images, as from {@link Digits#labeled}
   * @param labeledSize labelled images a batch, at least 1
   * @param unlabeledSize other images a batch, from 1 to the number of images without a label
   * @param seed of the draws and the moves
   * @return the batches
   * @throws IllegalArgumentException if an argument is null or out of its range
   */
  public static DigitBatches mixed(
      Digits digits, int[] labeled, int labeledSize, int unlabeledSize, long seed) {
    return of("DigitBatches.mixed", digits, labeled, labeledSize, unlabeledSize, seed, true);
  }

  /**
   * Makes the labelled part of the batches of {@link #mixed} with the same arguments: the same
   * images in the same order, moved in the same way, and as many steps an epoch. So two students
   * can be compared that differ only in what they make of the images without labels.
   *
   * @param digits the data
   * @param labeled the positions of the labelled images, as from {@link Digits#labeled}
   * @param labeledSize labelled images a batch, at least 1
   * @param unlabeledSize other images a batch of {@link #mixed}, from 1 to the number of images
   *     without a label
   * @param seed of the draws and the moves
   * @return the batches
   * @throws IllegalArgumentException if an argument is null or out of its range
   */
  public static DigitBatches labeledPart(
      Digits digits, int[] labeled, int labeledSize, int unlabeledSize, long seed) {
    return of("DigitBatches.labeledPart", digits, labeled, labeledSize, unlabeledSize, seed, false);
  }

  private static DigitBatches of(
      String function,
      Digits digits,
      int[] labeled,
      int labeledSize,
      int unlabeledSize,
      long seed,
      boolean withUnlabeled) {
    Arguments.requireGiven(function + ": digits", digits);
    Arguments.requireGiven(function + ": labeled", labeled);
    Arguments.requireBetween(
        function + ": labeled.length", labeled.length, 1, Digits.TRAIN_SIZE - 1);
    boolean[] isLabeled = new boolean[Digits.TRAIN_SIZE];
    for (int position : labeled) {
      Arguments.requireBetween(function + ": labeled", position, 0, Digits.TRAIN_SIZE - 1);
      if (isLabeled[position]) {
        throw new IllegalArgumentException(
            function + ": labeled must not repeat a position (got " + position + " twice)");
      }
      isLabeled[position] = true;
    }
    int[] unlabeled = IntStream.range(0, isLabeled.length).filter(i -> !isLabeled[i]).toArray();
    Arguments.requireAtLeast(function + ": labeledSize", labeledSize, 1);
    Arguments.requireBetween(function + ": unlabeledSize", unlabeledSize, 1, unlabeled.length);

    int steps = unlabeled.length / unlabeledSize;
    int count = Math.min(labeledSize, labeled.length);
    Part first = new Part(labeled.clone(), count, count, true);
    Part second = new Part(unlabeled, unlabeledSize, steps * unlabeledSize, false);
    return withUnlabeled
        ? new DigitBatches(digits, steps, seed, first, second)
        : new DigitBatches(digits, steps, seed, first);
  }

  @Override
  public int stepsPerEpoch() {
    return stepsPerEpoch;
  }

  @Override
  public void startEpoch(int epoch) {
    Arguments.requireAtLeast("DigitBatches.startEpoch: epoch", epoch, 0);
    SplittableRandom seeds = new SplittableRandom(SplitMix64.hash(SplitMix64.hash(seed) + epoch));
    for (Part part : parts) {
      part.startEpoch(seeds.split());
    }
    left = stepsPerEpoch;
  }

  /**
   * Fills the batch anew.
   *
   * @return the same object every time
   * @throws NoSuchElementException if the epoch is at its end, or none was started
   */
  @Override
  public Batch next() {
    if (left == 0) {
      throw new NoSuchElementException(
          "DigitBatches.next: epoch must be started and not at its end (got no batch left)");
    }
    left--;
    batch.clear();
    for (Part part : parts) {
      part.fill(batch, digits);
    }
    batch.flip();
    return batch;
  }
}
