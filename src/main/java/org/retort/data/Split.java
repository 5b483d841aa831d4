package org.retort.data;

import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.retort.internal.Arguments;

/**
 * A data set split into a training part and a validation part, with the same share of every class.
 * Every process on every machine puts the same images into the same part.
 *
 * @param training the training part, usually the larger one, with all unlabeled images
 * @param validation the other part
 */
public record Split(Subset training, Subset validation) {
  private static final String OF = "Split.of";

  /**
   * Checks the parts.
   *
   * @param training as above
   * @param validation as above
   * @throws IllegalArgumentException if a part is null
   */
  public Split {
    Arguments.notNull(training, "Split", "training");
    Arguments.notNull(validation, "Split", "validation");
  }

  /**
   * Splits a data set. Of each class of n images, {@code round(fraction · n)} go to validation, but
   * at least one and at most n − 1; a class with a single image goes to training.
   *
   * @param dataset the data set to split
   * @param fraction the share of the validation part, above 0 and below 1
   * @param seed selects the validation images, at least 0: those with the smallest {@code
   *     splitmix64(−(seed + 1) · 2³² + index)}
   * @return the parts, each in the order of the data set
   * @throws IllegalArgumentException if an argument is null or out of range, or no class has two
   *     images
   */
  public static Split of(Dataset dataset, double fraction, long seed) {
    Arguments.notNull(dataset, OF, "dataset");
    int[] labels = IntStream.range(0, dataset.size()).map(dataset::label).toArray();
    int[] validation = validation(labels, dataset.classes(), fraction, seed);
    return new Split(
        Subset.of(dataset, others(labels.length, validation)), Subset.of(dataset, validation));
  }

  /**
   * Returns the positions, in ascending order, of the validation part of samples with these labels:
   * the rule of {@link #of} for data that has not been read yet.
   *
   * @param labels the class of each sample, negative if unknown
   * @param classes number of classes, at least 1
   * @param fraction as above
   * @param seed as above
   * @return a new array of positions
   * @throws IllegalArgumentException as above
   */
  public static int[] validation(int[] labels, int classes, double fraction, long seed) {
    Arguments.notNull(labels, OF, "labels");
    Arguments.atLeast(classes, 1, OF, "classes");
    Arguments.check(
        fraction > 0 && fraction < 1,
        "%s: fraction must be between 0 and 1 (got %s)",
        OF,
        fraction);
    Arguments.atLeast(seed, 0, OF, "seed");
    IntUnaryOperator share =
        size -> size < 2 ? 0 : Math.min(size - 1, Math.max(1, (int) Math.round(fraction * size)));
    int[] chosen = HashOrder.smallest(-(seed + 1), labels, classes, share);
    Arguments.check(
        chosen.length > 0, "%s: dataset must have a class of two images (got none)", OF);
    return chosen;
  }

  /** Returns the positions below {@code size} that are not in {@code chosen}, which ascends. */
  private static int[] others(int size, int[] chosen) {
    return IntStream.range(0, size).filter(i -> Arrays.binarySearch(chosen, i) < 0).toArray();
  }
}
