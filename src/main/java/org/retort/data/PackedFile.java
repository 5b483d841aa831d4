package org.retort.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The content of the file of a {@link PackedDataset}.
 *
 * @param checksums CRC32C of each image
 * @param pieces the images, mapped
 * @param imagesPerPiece the number of images in each piece except the last
 */
record PackedFile(int[] checksums, MappedByteBuffer[] pieces, int imagesPerPiece) {
  /** Opens an existing file with this header; null if it must be written. */
  static @Nullable PackedFile open(
      String function, Path path, PackedHeader header, int pieceBytes) {
    if (!Files.exists(path)) {
      return null;
    }
    DataFile file = DataFile.of(function, path);
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      ByteBuffer magic = read(channel, 0, Long.BYTES);
      if (magic.remaining() < Long.BYTES || magic.getLong() != PackedHeader.MAGIC) {
        throw file.damagedAt(
            0, "the content", "be that of a packed data set to be used or replaced", "another");
      }
      if (channel.size() != header.fileSize()) {
        return null;
      }
      int[] checksums = checksums(channel, header);
      return checksums == null ? null : map(channel, header, checksums, pieceBytes);
    } catch (IOException e) {
      throw file.unreadable(e);
    }
  }

  /** Returns the checksums of the images, or null if header or checksums differ. */
  private static int @Nullable [] checksums(FileChannel channel, PackedHeader header)
      throws IOException {
    ByteBuffer expected = header.bytes();
    int start = expected.capacity();
    ByteBuffer bytes = read(channel, 0, Math.toIntExact(header.imagesAt()));
    CRC32C checksum = new CRC32C();
    checksum.update(bytes.slice(0, bytes.capacity() - Integer.BYTES));
    if (!bytes.slice(0, start).equals(expected)
        || bytes.getInt(bytes.capacity() - Integer.BYTES) != (int) checksum.getValue()) {
      return null;
    }
    int[] checksums = new int[header.labels().length];
    bytes.position(start).asIntBuffer().get(checksums);
    return checksums;
  }

  private static PackedFile map(
      FileChannel channel, PackedHeader header, int[] checksums, int pieceBytes)
      throws IOException {
    int values = header.shape().values();
    int perPiece = Math.max(1, pieceBytes / values);
    MappedByteBuffer[] pieces = new MappedByteBuffer[(checksums.length - 1) / perPiece + 1];
    long start = header.imagesAt();
    for (int i = 0; i < pieces.length; i++) {
      int images = Math.min(perPiece, checksums.length - i * perPiece);
      long at = start + (long) i * perPiece * values;
      pieces[i] = channel.map(MapMode.READ_ONLY, at, (long) images * values);
    }
    return new PackedFile(checksums, pieces, perPiece);
  }

  /** Returns the bytes from {@code at} on, as many as there are up to {@code size}. */
  private static ByteBuffer read(FileChannel channel, long at, int size) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(size);
    while (bytes.hasRemaining() && channel.read(bytes, at + bytes.position()) >= 0) {
      continue;
    }
    return bytes.flip();
  }
}
