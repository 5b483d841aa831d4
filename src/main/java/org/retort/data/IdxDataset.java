package org.retort.data;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import org.retort.internal.Arguments;

/**
 * MNIST and data sets in its format, such as Fashion-MNIST: a file of grey images and one of
 * labels, both IDX files of bytes, optionally gzip-compressed. Images are [1, rows, columns], as in
 * the file; pixels stay bytes.
 *
 * <p>An uncompressed file is mapped into memory, or read into memory if it is not in the default
 * file system. It must not change while the data set is in use.
 *
 * <p>Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits", 1998.
 */
public final class IdxDataset implements Dataset {
  private static final BytePixels PIXELS = new BytePixels(255);

  /** The type byte 8, unsigned byte, and the number of dimensions. */
  private static final int MAGIC = 0x0800;

  private static final int IMAGES = 3;
  private static final int LABELS = 1;

  private final ByteBuffer images;
  private final ByteBuffer labels;
  private final ImageShape shape;
  private final int size;
  private final int classes;

  private IdxDataset(DataFile imageFile, DataFile labelFile, int wantedClasses) {
    images =
        imageFile.content(headerSize(IMAGES), header -> contentSize(imageFile, header, IMAGES));
    labels =
        labelFile.content(headerSize(LABELS), header -> contentSize(labelFile, header, LABELS));
    size = dimension(images, 0);
    shape = new ImageShape(1, dimension(images, 1), dimension(images, 2));
    int labelCount = dimension(labels, 0);
    if (labelCount != size) {
      throw labelFile.damagedAt(
          4, "the count", "be that of the images in " + imageFile.path() + ", " + size, labelCount);
    }
    int largest = 0;
    for (int at = headerSize(LABELS); at < labels.capacity(); at++) {
      int label = labels.get(at) & 0xff;
      if (wantedClasses > 0 && label >= wantedClasses) {
        throw labelFile.damagedAt(
            at, "the class", "be between 0 and " + (wantedClasses - 1), label);
      }
      largest = Math.max(largest, label);
    }
    classes = wantedClasses > 0 ? wantedClasses : largest + 1;
  }

  /**
   * Opens a pair of files; the number of classes is one more than the largest class that occurs.
   *
   * @param images for example {@code train-images-idx3-ubyte.gz}
   * @param labels for example {@code train-labels-idx1-ubyte.gz}
   * @return the data set
   * @throws IllegalArgumentException if a file is null
   * @throws org.retort.FileException if one is missing, can't be read, is damaged or does not match
   *     the other; the message names the file and the offset, after inflating if the file is
   *     compressed
   */
  public static IdxDataset open(Path images, Path labels) {
    return open("IdxDataset.open", images, labels, 0);
  }

  /**
   * Opens a pair of files with a given number of classes.
   *
   * @param images for example {@code train-images-idx3-ubyte.gz}
   * @param labels for example {@code train-labels-idx1-ubyte.gz}
   * @param classes from 1 to 256
   * @return the data set
   * @throws IllegalArgumentException if a file is null, or the number is out of range
   * @throws org.retort.FileException as for {@link #open(Path, Path)}, and if a class is not below
   *     the number of classes
   */
  public static IdxDataset open(Path images, Path labels, int classes) {
    Arguments.between(classes, 1, 256, "IdxDataset.open", "classes");
    return open("IdxDataset.open", images, labels, classes);
  }

  private static IdxDataset open(String function, Path images, Path labels, int classes) {
    return new IdxDataset(DataFile.of(function, images), DataFile.of(function, labels), classes);
  }

  private static int headerSize(int dimensions) {
    return Integer.BYTES * (1 + dimensions);
  }

  private static int dimension(ByteBuffer file, int number) {
    return file.getInt(Integer.BYTES * (1 + number));
  }

  private static long contentSize(DataFile file, ByteBuffer header, int dimensions) {
    int magic = header.getInt(0);
    if (magic != (MAGIC | dimensions)) {
      throw file.damagedAt(
          0,
          "the type",
          String.format(
              "be 0x%08x, unsigned bytes in %d dimensions", MAGIC | dimensions, dimensions),
          String.format("0x%08x", magic));
    }
    long size = 1;
    for (int i = 0; i < dimensions; i++) {
      int dimension = dimension(header, i);
      if (dimension < 1 || size > Integer.MAX_VALUE / dimension) {
        throw file.damagedAt(
            Integer.BYTES * (1 + i),
            "dimension " + i,
            "be positive and make at most 2 GiB",
            Integer.toUnsignedString(dimension));
      }
      size *= dimension;
    }
    return headerSize(dimensions) + size;
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public ImageShape shape() {
    return shape;
  }

  @Override
  public int label(int index) {
    Arguments.between(index, 0, size - 1, "IdxDataset.label", "index");
    return labels.get(headerSize(LABELS) + index) & 0xff;
  }

  @Override
  public void read(int index, FloatBuffer image) {
    Arguments.between(index, 0, size - 1, "IdxDataset.read", "index");
    PIXELS.append(images, headerSize(IMAGES) + index * shape.values(), shape.values(), image);
  }

  /** Returns a hash of the labels and all pixels. */
  @Override
  public long fingerprint() {
    return Fingerprint.of(this).add(images).value();
  }
}
