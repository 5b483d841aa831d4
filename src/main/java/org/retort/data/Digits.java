package org.retort.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.stream.IntStream;
import org.retort.FileException;
import org.retort.internal.Arguments;
import org.retort.internal.ShippedFiles;

/**
 * The UCI optical digits, 1,797 grey images of 8×8 pixels in ten classes, with the fixed split of
 * the main job.
 *
 * <p>An image is [1, 8, 8] with values from 0 to 1. In each class, the fifth with the smallest
 * hashes is the test set (359 images); the other 1,438 are the training set, in file order, and an
 * image's <em>position</em> is its rank among them. The split depends on {@code splitmix64(salt ·
 * 2³² + number)} alone, so every program that follows this rule sees the same one.
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

  /** The authors of the data, and its licence. */
  public static final String CREDIT =
      "E. Alpaydin and C. Kaynak, \"Optical Recognition of Handwritten Digits\", UCI Machine"
          + " Learning Repository, 1998, CC BY 4.0, as distributed with scikit-learn";

  /** All images, in the order of the file. */
  private static final class Whole implements Dataset {
    private static final ImageShape SHAPE = new ImageShape(CHANNELS, SIDE, SIDE);
    private static final BytePixels PIXELS = new BytePixels(DigitsFile.MAX_PIXEL_VALUE);

    private final ByteBuffer pixels;
    private final int[] labels;

    Whole(DigitsFile file) {
      pixels = ByteBuffer.wrap(file.pixels);
      labels = file.labels;
    }

    @Override
    public int size() {
      return labels.length;
    }

    @Override
    public int classes() {
      return CLASSES;
    }

    @Override
    public ImageShape shape() {
      return SHAPE;
    }

    @Override
    public int label(int index) {
      return labels[index];
    }

    @Override
    public void read(int index, FloatBuffer image) {
      PIXELS.append(pixels, index * SHAPE.values(), SHAPE.values(), image);
    }

    @Override
    public long fingerprint() {
      return Fingerprint.of(this).add(pixels).value();
    }
  }

  private final int[] testIndices;
  private final Subset test;
  private final Subset train;

  /** Opens the file. */
  interface Source {
    InputStream open() throws IOException;
  }

  private Digits(DigitsFile file) {
    Dataset whole = new Whole(file);
    testIndices = HashOrder.smallest(0, file.labels, CLASSES, n -> (2 * n + 5) / 10);
    boolean[] isTest = new boolean[whole.size()];
    for (int index : testIndices) {
      isTest[index] = true;
    }
    test = Subset.of(whole, testIndices);
    train = Subset.of(whole, IntStream.range(0, isTest.length).filter(i -> !isTest[i]).toArray());
  }

  /**
   * Reads the data from Retort's jar with the classifier {@code cli}.
   *
   * @return the data
   * @throws FileException if the jar is not on the class path, or its file is damaged
   */
  public static Digits load() {
    return load(() -> ShippedFiles.open(DigitsFile.NAME));
  }

  /** Reads the data and closes the file. */
  static Digits load(Source source) {
    try (InputStream file = source.open()) {
      return new Digits(DigitsFile.read(file));
    } catch (IOException e) {
      throw new FileException("Digits.load: " + e.getMessage(), e);
    }
  }

  /**
   * Returns the training images, each at its position.
   *
   * @return the data set
   */
  public Dataset train() {
    return train;
  }

  /**
   * Returns the test images, each at its rank among them.
   *
   * @return the data set
   */
  public Dataset test() {
    return test;
  }

  /**
   * Returns the numbers of the test images in the file.
   *
   * @return a new array, ascending
   */
  public int[] testIndices() {
    return testIndices.clone();
  }

  /**
   * Chooses the training images that keep their labels.
   *
   * @param seed decides which, at least 0
   * @param perClass how many of each class, from 1 to the size of the smallest class (139)
   * @return their positions, ascending
   * @throws IllegalArgumentException if an argument is out of range
   */
  public int[] labeled(long seed, int perClass) {
    Arguments.atLeast(seed, 0, "Digits.labeled", "seed");
    int[] labels = IntStream.range(0, TRAIN_SIZE).map(train::label).toArray();
    return Subset.ofEachClass("Digits.labeled", "perClass", labels, CLASSES, perClass, seed);
  }
}
