package org.retort.data;

import java.nio.FloatBuffer;
import java.nio.MappedByteBuffer;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.CRC32C;
import org.retort.internal.Arguments;

/**
 * A data set whose images are decoded once, into a file that is mapped into memory: epochs then
 * read bytes instead of decoding photos. Everything else, including the fingerprint, is the
 * source's, so that training can resume from a checkpoint with either.
 *
 * <p>The file is a cache. It is written if it is missing or belongs to a data set with another
 * {@link Dataset#fingerprint}, under a different name first, and takes one byte per value and a few
 * per image. A copy of an image folder has the same fingerprint, and so does a folder in which a
 * file was replaced by another of the same size: delete the cache after such a change.
 *
 * <p>The checksum of each image is verified when it is read. The file must not change while the
 * data set is in use; another process may safely write it anew.
 */
public final class PackedDataset implements Dataset {
  private static final String OPEN = "PackedDataset.open";
  private static final BytePixels PIXELS = new BytePixels(255);
  private static final int MOST_THREADS = 1024;

  /** The most bytes to map at once: buffers have less than 2 GiB. */
  private static final int PIECE_BYTES = 1 << 30;

  private final Path file;
  private final ImageShape shape;
  private final int classes;
  private final List<String> classNames;
  private final int[] labels;
  private final long fingerprint;
  private final int[] checksums;
  private final MappedByteBuffer[] pieces;
  private final int imagesPerPiece;
  private final ThreadLocal<Scratch> scratch;

  /** The working memory of a reading thread. */
  private static final class Scratch {
    final byte[] bytes;
    final float[] values;
    final CRC32C checksum = new CRC32C();

    Scratch(int size) {
      bytes = new byte[size];
      values = new float[size];
    }
  }

  private PackedDataset(PackedHeader header, Path file, PackedFile content) {
    this.file = file;
    shape = header.shape();
    classes = header.classes();
    classNames = header.classNames();
    labels = header.labels();
    fingerprint = header.fingerprint();
    checksums = content.checksums();
    pieces = content.pieces();
    imagesPerPiece = content.imagesPerPiece();
    scratch = ThreadLocal.withInitial(() -> new Scratch(shape.values()));
  }

  /**
   * Opens the cache of a data set, writing it first if necessary, with one thread per processor.
   *
   * @param source a data set whose values are bytes / 255, such as an {@link ImageFolder}, {@link
   *     IdxDataset} or {@link CifarDataset}
   * @param file a file in an existing folder of the default file system
   * @return the data set, which no longer needs the source
   * @throws IllegalArgumentException if an argument is null or the file is in another file system,
   *     or a value of the source is not a byte / 255
   * @throws org.retort.FileException if the file exists and is not such a cache, in which case it
   *     is left unchanged; the file can't be read or written, or does not fit on the disk; or the
   *     source can't be read. No file is left half-written.
   */
  public static PackedDataset open(Dataset source, Path file) {
    return open(source, file, Runtime.getRuntime().availableProcessors());
  }

  /**
   * Opens the cache of a data set, writing it first if necessary.
   *
   * @param source as above
   * @param file as above
   * @param threads number of threads that read the source to write the file, from 1 to 1,024
   * @return the data set, which no longer needs the source
   * @throws IllegalArgumentException as above, or if the number of threads is out of range
   * @throws org.retort.FileException as above
   */
  public static PackedDataset open(Dataset source, Path file, int threads) {
    return open(source, file, threads, PIECE_BYTES);
  }

  /** Maps at most {@code pieceBytes} at once, except for larger images. */
  static PackedDataset open(Dataset source, Path file, int threads, int pieceBytes) {
    Arguments.notNull(source, OPEN, "source");
    Arguments.notNull(file, OPEN, "file");
    Arguments.between(threads, 1, MOST_THREADS, OPEN, "threads");
    Arguments.check(
        file.getFileSystem() == FileSystems.getDefault(),
        "%s: file must be of the default file system (got %s)",
        OPEN,
        file);
    PackedHeader header = PackedHeader.of(OPEN, source);
    PackedFile content = PackedFile.open(OPEN, file, header, pieceBytes);
    if (content == null) {
      new PackedWriter(OPEN, source, header, file).write(threads);
      content = PackedFile.open(OPEN, file, header, pieceBytes);
    }
    if (content == null) {
      throw new Origin(OPEN, file.toString())
          .damaged("the file", "stay as it was written", "another");
    }
    return new PackedDataset(header, file, content);
  }

  @Override
  public int size() {
    return labels.length;
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
    Arguments.between(index, 0, labels.length - 1, "PackedDataset.label", "index");
    return labels[index];
  }

  @Override
  public void read(int index, FloatBuffer image) {
    Arguments.between(index, 0, labels.length - 1, "PackedDataset.read", "index");
    BytePixels.requireRoom(image, shape.values());
    Scratch own = scratch.get();
    pieces[index / imagesPerPiece].get(index % imagesPerPiece * shape.values(), own.bytes);
    own.checksum.reset();
    own.checksum.update(own.bytes);
    if ((int) own.checksum.getValue() != checksums[index]) {
      throw new Origin("PackedDataset.read", file.toString())
          .damaged("image " + index, "be as it was written", "another checksum; delete the file");
    }
    for (int i = 0; i < own.values.length; i++) {
      own.values[i] = PIXELS.value(own.bytes[i]);
    }
    image.put(own.values);
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  /** Returns the source's fingerprint. */
  @Override
  public long fingerprint() {
    return fingerprint;
  }
}
