package org.retort.data;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;
import org.retort.internal.Arguments;

/**
 * The header of the file of a {@link PackedDataset}, which describes its source. Numbers are
 * big-endian: the magic number, version, fingerprint, number of images, channels, height, width,
 * classes, number of their names, each name's length in bytes and UTF-8, all labels. Then come a
 * CRC32C for each image, one of everything so far, and the images.
 *
 * @param shape of each image
 * @param classes the number of classes
 * @param classNames their names, or none
 * @param labels of all images
 * @param fingerprint of the source
 */
record PackedHeader(
    ImageShape shape, int classes, List<String> classNames, int[] labels, long fingerprint) {
  /** {@code RETORTPK}. */
  static final long MAGIC = 0x5245544f5254504bL;

  /** Counts changes of the format, and of the pixels that images are decoded to. */
  private static final int VERSION = 1;

  private static final int MOST_IMAGES = 1 << 27;

  static PackedHeader of(String function, Dataset source) {
    Arguments.between(source.size(), 1, MOST_IMAGES, function, "source.size()");
    return new PackedHeader(
        source.shape(),
        source.classes(),
        List.copyOf(source.classNames()),
        IntStream.range(0, source.size()).map(source::label).toArray(),
        source.fingerprint());
  }

  /** Returns the bytes at the start of the file. */
  ByteBuffer bytes() {
    List<byte[]> names =
        classNames.stream().map(name -> name.getBytes(StandardCharsets.UTF_8)).toList();
    int size =
        2 * Long.BYTES
            + 7 * Integer.BYTES
            + names.stream().mapToInt(name -> Integer.BYTES + name.length).sum()
            + Integer.BYTES * labels.length;
    ByteBuffer bytes =
        ByteBuffer.allocate(size)
            .putLong(MAGIC)
            .putInt(VERSION)
            .putLong(fingerprint)
            .putInt(labels.length)
            .putInt(shape.channels())
            .putInt(shape.height())
            .putInt(shape.width())
            .putInt(classes)
            .putInt(names.size());
    names.forEach(name -> bytes.putInt(name.length).put(name));
    bytes.asIntBuffer().put(labels);
    return bytes.clear();
  }

  /** Returns where images begin, after {@link #bytes} and the checksums. */
  long imagesAt() {
    return bytes().capacity() + Integer.BYTES * (labels.length + 1L);
  }

  /** Returns the size of the whole file. */
  long fileSize() {
    return imagesAt() + (long) labels.length * shape.values();
  }
}
