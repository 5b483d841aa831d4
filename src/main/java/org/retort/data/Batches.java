package org.retort.data;

import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/**
 * An endless source of training batches. Every image is moved by a random (dy, dx), each from −1 to
 * 1, and what moves in is zero. {@link Batch#indices()} are the images' positions among the
 * training images.
 *
 * <p>A source fills the same batch again and again, and makes no garbage. It is meant for one
 * thread.
 */
public final class Batches {
  /**
   * The labelled and the unlabelled images of a batch, each with a random generator of their own.
   */
  private record Part(Sampler sampler, int count, boolean labeled, RandomGenerator random) {
    static Part of(int[] pool, int count, int perPass, boolean labeled, RandomGenerator random) {
      return new Part(new Sampler(pool, perPass, random), count, labeled, random);
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
  private final Part[] parts;
  private final Batch batch;

  private Batches(Digits digits, int stepsPerEpoch, Part... parts) {
    this.digits = digits;
    this.stepsPerEpoch = stepsPerEpoch;
    this.parts = parts;
    int size = 0;
    for (Part part : parts) {
      size += part.count();
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
  public static Batches all(Digits digits, int size, long seed) {
    Arguments.requireGiven("Batches.all: digits", digits);
    Arguments.requireBetween("Batches.all: size", size, 1, Digits.TRAIN_SIZE);
    int steps = Digits.TRAIN_SIZE / size;
    int[] pool = IntStream.range(0, Digits.TRAIN_SIZE).toArray();
    return new Batches(
        digits, steps, Part.of(pool, size, steps * size, true, new SplittableRandom(seed)));
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
  public static Batches mixed(
      Digits digits, int[] labeled, int labeledSize, int unlabeledSize, long seed) {
    return of("Batches.mixed", digits, labeled, labeledSize, unlabeledSize, seed, true);
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
  public static Batches labeledPart(
      Digits digits, int[] labeled, int labeledSize, int unlabeledSize, long seed) {
    return of("Batches.labeledPart", digits, labeled, labeledSize, unlabeledSize, seed, false);
  }

  private static Batches of(
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
    SplittableRandom seeds = new SplittableRandom(seed);
    Part first = Part.of(labeled, count, count, true, seeds.split());
    Part second = Part.of(unlabeled, unlabeledSize, steps * unlabeledSize, false, seeds.split());
    return withUnlabeled
        ? new Batches(digits, steps, first, second)
        : new Batches(digits, steps, first);
  }

  /**
   * Returns the number of batches in an epoch.
   *
   * @return at least 1
   */
  public int stepsPerEpoch() {
    return stepsPerEpoch;
  }

  /**
   * Fills the batch anew.
   *
   * @return the same object every time
   */
  public Batch next() {
    batch.clear();
    for (Part part : parts) {
      part.fill(batch, digits);
    }
    batch.flip();
    return batch;
  }
}
