package org.retort.data;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.util.Comparator;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

/**
 * The UCI optical digits, 1,797 grey images of 8×8 pixels in ten classes, with the fixed split of
 * the main job.
 *
 * <p>An image is [1, 8, 8] with values from 0 to 1. Of each class the fifth with the smallest
 * hashes is the test set (359 images); the other 1,438 are the training set, in the order of the
 * file, and an image's <em>position</em> is its rank among them. Who belongs where depends on
 * {@code splitmix64(salt · 2³² + number)} alone, so that every program that follows this rule sees
 * the same split.
 *
 * <p>Credit: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
 * Learning Repository, 1998, licence CC BY 4.0; the file is the one that scikit-learn distributes,
 * unchanged.
 */
public final class Digits {
  /** Number of classes. */
  public static final int CLASSES = 10;

  /** Channels of an image. */
  public static final int CHANNELS = 1;

  /** Rows, and columns, of an image. */
  public static final int SIDE = 8;

  /** Number of training images. */
  public static final int TRAIN_SIZE = 1438;

  /** Number of test images. */
  public static final int TEST_SIZE = 359;

  /** Who made the data, and its licence. */
  public static final String CREDIT =
      "E. Alpaydin and C. Kaynak, \"Optical Recognition of Handwritten Digits\", UCI Machine"
          + " Learning Repository, 1998, CC BY 4.0, as distributed with scikit-learn";

  /** Images are kept with a border of zeros, so that a moved image is a plain copy of rows. */
  private static final int BORDER = 1;

  private static final int PADDED_SIDE = SIDE + 2 * BORDER;
  private static final int PADDED_PIXELS = PADDED_SIDE * PADDED_SIDE;

  private final float[] padded;
  private final int[] labels;
  private final int[] test;
  private final int[] train;
  private final int[] trainLabels;

  private Digits(DigitsFile file) {
    padded = pad(file.pixels);
    labels = file.labels;
    test = smallestHashes(0, labels, n -> (2 * n + 5) / 10);
    boolean[] isTest = new boolean[labels.length];
    for (int index : test) {
      isTest[index] = true;
    }
    train = IntStream.range(0, labels.length).filter(index -> !isTest[index]).toArray();
    trainLabels = IntStream.of(train).map(index -> labels[index]).toArray();
  }

  /**
   * Reads the data, which the class path holds.
   *
   * @return the data
   * @throws UncheckedIOException if the file is missing or is not the one it should be
   */
  public static Digits load() {
    return load(Digits.class.getResourceAsStream(DigitsFile.NAME));
  }

  /** Reads the data from {@code resource}, null if there is none, and closes it. */
  static Digits load(InputStream resource) {
    try (resource) {
      if (resource == null) {
        throw new IOException(DigitsFile.NAME + " must be on the class path (got nothing)");
      }
      return new Digits(DigitsFile.read(resource));
    } catch (IOException e) {
      throw new UncheckedIOException("Digits.load: " + e.getMessage(), e);
    }
  }

  private static float[] pad(float[] pixels) {
    float[] padded = new float[pixels.length / (SIDE * SIDE) * PADDED_PIXELS];
    for (int row = 0; row < pixels.length / SIDE; row++) {
      int target = row / SIDE * PADDED_PIXELS + (row % SIDE + BORDER) * PADDED_SIDE + BORDER;
      System.arraycopy(pixels, row * SIDE, padded, target, SIDE);
    }
    return padded;
  }

  /**
   * Picks, of each class, those members whose hashes are the smallest; {@code share} turns the size
   * of a class into the number to pick. Returns them ascending.
   */
  private static int[] smallestHashes(long salt, int[] classes, IntUnaryOperator share) {
    Comparator<Integer> byHash =
        (a, b) -> Long.compareUnsigned(SplitMix64.hash(salt, a), SplitMix64.hash(salt, b));
    return IntStream.range(0, CLASSES)
        .flatMap(
            wanted -> {
              int[] members =
                  IntStream.range(0, classes.length).filter(i -> classes[i] == wanted).toArray();
              return IntStream.of(members)
                  .boxed()
                  .sorted(byHash)
                  .limit(share.applyAsInt(members.length))
                  .mapToInt(Integer::intValue);
            })
        .sorted()
        .toArray();
  }

  /**
   * Returns the class of a training image.
   *
   * @param position its rank among the training images
   * @return the class, 0 to 9
   * @throws IllegalArgumentException if there is no such position
   */
  public int trainLabel(int position) {
    Arguments.requireBetween("Digits.trainLabel: position", position, 0, TRAIN_SIZE - 1);
    return trainLabels[position];
  }

  /**
   * Returns the numbers of the test images in the file.
   *
   * @return a new array, ascending
   */
  public int[] testIndices() {
    return test.clone();
  }

  /**
   * Chooses the training images that keep their labels.
   *
   * @param seed decides which, at least 0
   * @param perClass how many of each class, from 1 to the size of the smallest class (139)
   * @return their positions, ascending
   * @throws IllegalArgumentException if an argument is out of its range
   */
  public int[] labeled(long seed, int perClass) {
    Arguments.requireAtLeast("Digits.labeled: seed", seed, 0);
    Arguments.requireBetween("Digits.labeled: perClass", perClass, 1, smallestClass());
    return smallestHashes(seed + 1, trainLabels, size -> perClass);
  }

  private int smallestClass() {
    int[] sizes = new int[CLASSES];
    for (int label : trainLabels) {
      sizes[label]++;
    }
    return IntStream.of(sizes).min().getAsInt();
  }

  /**
   * Returns all test images with their labels, unmoved.
   *
   * @return a new batch, whose indices are ranks among the test images
   */
  public Batch test() {
    Batch batch = Batch.allocate(test.length, CHANNELS, SIDE, SIDE);
    for (int i = 0; i < test.length; i++) {
      copy(test[i], 0, 0, batch.images());
      batch.labels().put(labels[test[i]]);
      batch.indices().put(i);
    }
    batch.flip();
    return batch;
  }

  /** Appends the training image at {@code position}, moved by (dy, dx), each from −1 to 1. */
  void copyTrain(int position, int dy, int dx, FloatBuffer target) {
    copy(train[position], dy, dx, target);
  }

  private void copy(int index, int dy, int dx, FloatBuffer target) {
    int from = index * PADDED_PIXELS + (BORDER - dy) * PADDED_SIDE + BORDER - dx;
    for (int row = 0; row < SIDE; row++) {
      target.put(padded, from + row * PADDED_SIDE, SIDE);
    }
  }
}
