package org.retort.data;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import java.util.function.IntConsumer;
import java.util.zip.CRC32C;
import org.retort.FileException;

/** Writes the file of a {@link PackedDataset}: all of it, or nothing. */
final class PackedWriter {
  private static final BytePixels PIXELS = new BytePixels(255);

  private final String function;
  private final Dataset source;
  private final PackedHeader header;
  private final Path file;
  private final long imagesAt;
  private final int[] checksums;

  PackedWriter(String function, Dataset source, PackedHeader header, Path file) {
    this.function = function;
    this.source = source;
    this.header = header;
    this.file = file;
    imagesAt = header.imagesAt();
    checksums = new int[header.labels().length];
  }

  void write(int threads) {
    try {
      Path target = Files.exists(file) ? file.toRealPath() : file; // keeps a symbolic link
      Path written = target.resolveSibling(target.getFileName() + "." + UUID.randomUUID() + ".tmp");
      try {
        write(written, threads);
        Files.move(written, target, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(written);
      }
    } catch (UncheckedIOException e) {
      throw unwritable(e.getCause());
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  private void write(Path written, int threads) throws IOException {
    try (FileChannel channel =
        FileChannel.open(written, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      long room = written.toFile().getUsableSpace(); // 0 where it can't be told
      if (room > 0 && room < header.fileSize()) { // before images are decoded in vain
        throw new IOException(
            "room for " + room + " of its " + header.fileSize() + " bytes on the disk");
      }
      Parallel.run(threads, checksums.length, () -> imageWriter(channel));
      writeStart(channel);
      channel.force(true);
    }
  }

  private IntConsumer imageWriter(FileChannel channel) {
    FloatBuffer values = FloatBuffer.allocate(header.shape().values());
    byte[] bytes = new byte[values.capacity()];
    CRC32C checksum = new CRC32C();
    return index -> {
      source.read(index, values.clear());
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = byteOf(values.get(i), index);
      }
      checksum.reset();
      checksum.update(bytes);
      checksums[index] = (int) checksum.getValue();
      write(channel, ByteBuffer.wrap(bytes), imagesAt + (long) index * bytes.length);
    };
  }

  private byte byteOf(float value, int index) {
    byte pixel = (byte) Math.round(255 * value);
    if (PIXELS.value(pixel) != value) {
      throw new IllegalArgumentException(
          function
              + ": source must have values that are bytes / 255 (got "
              + value
              + " in image "
              + index
              + ")");
    }
    return pixel;
  }

  private void writeStart(FileChannel channel) {
    ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(imagesAt)).put(header.bytes());
    for (int checksum : checksums) {
      bytes.putInt(checksum);
    }
    CRC32C checksum = new CRC32C();
    checksum.update(bytes.duplicate().flip());
    write(channel, bytes.putInt((int) checksum.getValue()).flip(), 0);
  }

  private static void write(FileChannel channel, ByteBuffer bytes, long at) {
    try {
      for (long to = at; bytes.hasRemaining(); ) {
        to += channel.write(bytes, to);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private FileException unwritable(IOException cause) {
    String reason = cause.getMessage();
    if (cause instanceof NoSuchFileException) {
      reason = "no such folder";
    } else if (cause instanceof AccessDeniedException) {
      reason = "no permission";
    } else if (cause instanceof FileSystemException failure && failure.getReason() != null) {
      reason = failure.getReason();
    }
    return new FileException(
        function
            + ": "
            + new Origin(function, file.toString()).name()
            + " must be writable (got "
            + reason
            + ")",
        cause);
  }
}
