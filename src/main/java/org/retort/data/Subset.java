package org.retort.data;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.stream.IntStream;
import org.retort.internal.Arguments;

/**
 * A selection of the images of a data set, for example for a short experiment. They have their own
 * indices, starting at 0; the classes are those of the whole data set.
 */
public final class Subset implements Dataset {
  private final Dataset whole;
  private final int[] indices;

  private Subset(Dataset whole, int[] indices) {
    this.whole = whole;
    this.indices = indices;
  }

  /**
   * Selects images by index.
   *
   * @param dataset the whole data set
   * @param indices indices of the images, in the order of the subset; at least one
   * @return the subset, which reads from the whole data set
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
   * Selects images of each class at random.
   *
   * @param dataset the whole data set; unlabeled images are not selected
   * @param count the number of images per class, from 1 to the size of the smallest
   * @param seed selects the images, at least 0: those with the smallest {@code splitmix64((seed +
   *     1) · 2³² + index)}
   * @return the subset, in the order of the whole data set
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public static Subset perClass(Dataset dataset, int count, long seed) {
    Arguments.notNull(dataset, "Subset.perClass", "dataset");
    Arguments.atLeast(seed, 0, "Subset.perClass", "seed");
    int[] labels = IntStream.range(0, dataset.size()).map(dataset::label).toArray();
    return new Subset(
        dataset, ofEachClass("Subset.perClass", "count", labels, dataset.classes(), count, seed));
  }

  /** Implements {@link #perClass}; {@code function} and {@code argument} name the count. */
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
   * Returns the index of an image in the whole data set.
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

  /** Returns a hash of the whole data set's fingerprint, the indices in it, and the labels. */
  @Override
  public long fingerprint() {
    return Fingerprint.of(this).add(whole.fingerprint()).add(indices).value();
  }
}
