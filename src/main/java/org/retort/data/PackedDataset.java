package org.retort.data;

import java.nio.FloatBuffer;
import java.nio.MappedByteBuffer;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.CRC32C;
import org.retort.internal.Arguments;

/**
 * A data set whose images were decoded once, into one file that is mapped into memory: epochs then
 * read bytes in place of decoding photos. All else, the fingerprint, too, is the source's, so that
 * training goes on from a checkpoint with the one or the other.
 *
 * <p>The file is a cache. It is written when it is missing or belongs to a data set of another
 * {@link Dataset#fingerprint}, under another name first, and has a byte for each value and some for
 * each image. A copy of an image folder has the same fingerprint, and so has one in which a file
 * was replaced by another of the same size: delete the cache after such a change.
 *
 * <p>Every image is checked by its checksum when it is read. The file must stay as it is as long as
 * the data set is used; that another process writes it anew does no harm.
 */
public final class PackedDataset implements Dataset {
  private static final String OPEN = "PackedDataset.open";
  private static final BytePixels PIXELS = new BytePixels(255);
  private static final int MOST_THREADS = 1024;

  /** How much is mapped at once: buffers have less than 2 GiB. */
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

  /** What a thread reads with. */
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
   * Opens the cache of a data set, and writes it before if need be, on a thread for each processor.
   *
   * @param source whose values are bytes / 255, such as an {@link ImageFolder}, {@link IdxDataset}
   *     or {@link CifarDataset}
   * @param file in a folder that exists, of the default file system
   * @return the data set, which does not need the source any more
   * @throws IllegalArgumentException if an argument is null or the file is of another file system,
   *     or a value of the source is no byte / 255
   * @throws org.retort.FileException if there is a file that is no such cache, which stays as it
   *     is; the file can't be read or written, or has no room on the disk; or the source can't be
   *     read. No file is left half written.
   */
  public static PackedDataset open(Dataset source, Path file) {
    return open(source, file, Runtime.getRuntime().availableProcessors());
  }

  /**
   * Opens the cache of a data set, and writes it before if need be.
   *
   * @param source as above
   * @param file as above
   * @param threads that read the source to write the file, from 1 to 1,024
   * @return the data set, which does not need the source any more
   * @throws IllegalArgumentException as above, or if the number of threads is out of range
   * @throws org.retort.FileException as above
   */
  public static PackedDataset open(Dataset source, Path file, int threads) {
    return open(source, file, threads, PIECE_BYTES);
  }

  /** Maps at most {@code pieceBytes} at once, but for images that are larger. */
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

  /** The source's. */
  @Override
  public long fingerprint() {
    return fingerprint;
  }
}
