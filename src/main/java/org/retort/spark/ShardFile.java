package org.retort.spark;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.retort.data.Dataset;

/**
 * The samples of a rank on its disk: written once, in order, then read in any order by any thread.
 * A sample whose values are bytes / 255 takes one byte per value, any other four.
 */
final class ShardFile implements AutoCloseable {
  /** The most bytes to map at once: buffers have less than 2 GiB. No sample spans two pieces. */
  private static final long PIECE_BYTES = 1L << 30;

  private final FileChannel channel;
  private final int values;
  private final ByteBuffer written;
  private final CRC32C checksum = new CRC32C();
  private int count;
  private long end;
  private long[] offsets = new long[1024]; // the lowest bit: whether values are bytes
  private int[] labels = new int[1024];
  private MappedByteBuffer[] pieces = {};

  /** Creates a file for samples with this number of values. */
  ShardFile(Path file, int values) throws IOException {
    channel =
        FileChannel.open(
            file, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
    this.values = values;
    written = ByteBuffer.allocate(Math.multiplyExact(Float.BYTES, values));
    if (written.capacity() > PIECE_BYTES) {
      throw new IllegalArgumentException(
          "SampleReader.inputShape: a sample must have at most 2^28 values (got " + values + ")");
    }
  }

  /** Appends a sample. */
  void add(FloatBuffer sample, int label) throws IOException {
    boolean areBytes = areBytes(sample);
    ByteBuffer bytes = written.clear();
    for (int i = 0; i < values; i++) {
      if (areBytes) {
        bytes.put(byteOf(sample.get(i)));
      } else {
        bytes.putFloat(sample.get(i));
      }
    }
    bytes.flip();
    if (end % PIECE_BYTES + bytes.remaining() > PIECE_BYTES) {
      end += PIECE_BYTES - end % PIECE_BYTES;
    }
    if (count == labels.length) {
      labels = Arrays.copyOf(labels, 2 * count);
      offsets = Arrays.copyOf(offsets, 2 * count);
    }
    labels[count] = label;
    offsets[count] = 2 * end + (areBytes ? 1 : 0);
    count++;
    checksum.update(label);
    checksum.update(bytes.duplicate());
    while (bytes.hasRemaining()) {
      end += channel.write(bytes, end);
    }
  }

  private boolean areBytes(FloatBuffer sample) {
    for (int i = 0; i < values; i++) {
      float value = sample.get(i);
      if (!(value >= 0 && value <= 1) || (byteOf(value) & 0xff) / 255f != value) {
        return false;
      }
    }
    return true;
  }

  private static byte byteOf(float value) {
    return (byte) Math.round(255 * value);
  }

  /** Makes the written samples readable. */
  void finish() throws IOException {
    pieces = new MappedByteBuffer[(int) ((end + PIECE_BYTES - 1) / PIECE_BYTES)];
    for (int i = 0; i < pieces.length; i++) {
      long start = i * PIECE_BYTES;
      pieces[i] = channel.map(MapMode.READ_ONLY, start, Math.min(PIECE_BYTES, end - start));
    }
  }

  /** Returns the number of samples. */
  int count() {
    return count;
  }

  /** Returns the labels, {@link Dataset#UNLABELED} where the class is not known. */
  int[] labels() {
    return Arrays.copyOf(labels, count);
  }

  /** Returns a checksum of all samples and labels. */
  long checksum() {
    return checksum.getValue();
  }

  /** Appends the values of a sample. */
  void read(int index, FloatBuffer sample) {
    long offset = offsets[index] / 2;
    ByteBuffer piece = pieces[(int) (offset / PIECE_BYTES)].duplicate();
    piece.position((int) (offset % PIECE_BYTES));
    if (offsets[index] % 2 == 0) {
      piece.limit(piece.position() + Float.BYTES * values);
      sample.put(piece.asFloatBuffer());
      return;
    }
    for (int i = 0; i < values; i++) {
      sample.put((piece.get() & 0xff) / 255f);
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
