package org.retort.data;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.stream.IntStream;
import org.retort.internal.Arguments;

/**
 * Some images of a data set, for example for an experiment that is to be short. They have indices
 * of their own, from 0 on; the classes are those of the whole.
 */
public final class Subset implements Dataset {
  private final Dataset whole;
  private final int[] indices;

  private Subset(Dataset whole, int[] indices) {
    this.whole = whole;
    this.indices = indices;
  }

  /**
   * Chooses images by their indices.
   *
   * @param dataset the whole
   * @param indices of the images, in the order that they shall have; at least one
   * @return the subset, which reads from the whole
   * @throws IllegalArgumentException if an argument is null, there is no index, or one is out of
   *     range
   */
  public static Subset of(Dataset dataset, int... indices) {
    Arguments.notNull(dataset, "Subset.of", "dataset");
    Arguments.notNull(indices, "Subset.of", "indices");
    Arguments.atLeast(indices.length, 1, "Subset.of", "indices.length");
    for (int index : indices) {
      Arguments.between(index, 0, dataset.size() - 1, "Subset.of", "index");
    }
    return new Subset(dataset, indices.clone());
  }

  /**
   * Chooses some images of each class at random.
   *
   * @param dataset the whole; images without a label are not chosen
   * @param count how many of each class, from 1 to the size of the smallest
   * @param seed decides which, at least 0: those whose {@code splitmix64((seed + 1) · 2³² + index)}
   *     are the smallest
   * @return the subset, in the order of the whole
   * @throws IllegalArgumentException if an argument is null or out of its range
   */
  public static Subset perClass(Dataset dataset, int count, long seed) {
    Arguments.notNull(dataset, "Subset.perClass", "dataset");
    Arguments.atLeast(seed, 0, "Subset.perClass", "seed");
    int[] labels = IntStream.range(0, dataset.size()).map(dataset::label).toArray();
    return new Subset(
        dataset, ofEachClass("Subset.perClass", "count", labels, dataset.classes(), count, seed));
  }

  /** The rule of {@link #perClass}; {@code function} and {@code argument} name the count. */
  static int[] ofEachClass(
      String function, String argument, int[] labels, int classes, int count, long seed) {
    int[] sizes = new int[classes];
    for (int label : labels) {
      if (label != UNLABELED) {
        sizes[label]++;
      }
    }
    Arguments.between(count, 1, IntStream.of(sizes).min().getAsInt(), function, argument);
    return HashOrder.smallest(seed + 1, labels, classes, size -> count);
  }

  /**
   * The index of an image in the whole.
   *
   * @param index from 0 to size − 1
   * @return its index there
   * @throws IllegalArgumentException if there is no such image
   */
  public int indexInWhole(int index) {
    Arguments.between(index, 0, indices.length - 1, "Subset.indexInWhole", "index");
    return indices[index];
  }

  @Override
  public int size() {
    return indices.length;
  }

  @Override
  public int classes() {
    return whole.classes();
  }

  @Override
  public ImageShape shape() {
    return whole.shape();
  }

  @Override
  public long[] inputShape() {
    return whole.inputShape();
  }

  @Override
  public int label(int index) {
    Arguments.between(index, 0, indices.length - 1, "Subset.label", "index");
    return whole.label(indices[index]);
  }

  @Override
  public void read(int index, FloatBuffer image) {
    Arguments.between(index, 0, indices.length - 1, "Subset.read", "index");
    whole.read(indices[index], image);
  }

  @Override
  public List<String> classNames() {
    return whole.classNames();
  }

  /** A hash of the whole's, the indices in it, and the labels. */
  @Override
  public long fingerprint() {
    return Fingerprint.of(this).add(whole.fingerprint()).add(indices).value();
  }
}
