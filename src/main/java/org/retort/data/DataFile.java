package org.retort.data;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.GZIPInputStream;
import org.retort.FileException;
import org.retort.internal.Arguments;

/** A file that a data set is read from, and the errors that name it. */
record DataFile(String function, Path path) {
  private static final int GZIP_MAGIC = 0x1f8b;

  /** The largest array. */
  private static final int MOST_BYTES = Integer.MAX_VALUE - 8;

  /** No gzip file holds more than this for each of its bytes. */
  private static final long BEST_COMPRESSION = 1032;

  /** Requires the file to exist; {@code function} is the caller's name. */
  static DataFile of(String function, Path path) {
    Arguments.notNull(path, function, "file");
    if (!Files.isRegularFile(path)) {
      String rule = Files.exists(path) ? "be a regular file" : "exist";
      throw new FileException(function + ": file must " + rule + " (got " + path + ")", null);
    }
    return new DataFile(function, path);
  }

  /** Returns the whole file: mapped into memory, or read if not on the default file system. */
  ByteBuffer bytes() {
    try {
      long size = Files.size(path);
      if (size > MOST_BYTES) {
        throw damaged("the file", "have at most 2 GiB", size + " bytes");
      }
      return path.getFileSystem() == FileSystems.getDefault()
          ? map()
          : ByteBuffer.wrap(Files.readAllBytes(path));
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  private ByteBuffer map() throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      return channel.map(MapMode.READ_ONLY, 0, channel.size());
    }
  }

  /** Returns whether the file begins like a gzip file. */
  boolean isGzip() {
    try (InputStream in = Files.newInputStream(path)) {
      return (in.read() << Byte.SIZE | in.read()) == GZIP_MAGIC;
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  /** Opens the content from the start, inflated if the file is a gzip file. */
  InputStream open() throws IOException {
    InputStream in = Files.newInputStream(path);
    try {
      return new BufferedInputStream(isGzip() ? new GZIPInputStream(in, 1 << 16) : in, 1 << 16);
    } catch (IOException e) {
      in.close();
      throw e;
    }
  }

  /**
   * Returns the whole content: {@link #bytes}, or inflated into memory. {@code sizeOf} checks the
   * first {@code headerSize} bytes and returns the size that they require.
   */
  ByteBuffer content(int headerSize, ContentSize sizeOf) {
    return isGzip() ? inflate(headerSize, sizeOf) : plain(headerSize, sizeOf);
  }

  /** The size that a file must have according to its header. */
  @FunctionalInterface
  interface ContentSize {
    long of(ByteBuffer header);
  }

  private ByteBuffer plain(int headerSize, ContentSize sizeOf) {
    ByteBuffer bytes = bytes();
    requireBytes(headerSize, bytes.capacity());
    long size = sizeOf.of(bytes);
    requireBytes(size, bytes.capacity());
    if (size < bytes.capacity()) {
      throw tooLong(size, bytes.capacity() + " bytes");
    }
    return bytes;
  }

  private ByteBuffer inflate(int headerSize, ContentSize sizeOf) {
    try (InputStream in = open()) {
      byte[] header = in.readNBytes(headerSize);
      requireBytes(headerSize, header.length);
      long size = sizeOf.of(ByteBuffer.wrap(header));
      // Before a damaged header makes us allocate memory.
      long most = Math.min(BEST_COMPRESSION * Files.size(path), MOST_BYTES);
      if (size > most) {
        throw damaged("the header", "announce at most " + most + " bytes", String.valueOf(size));
      }
      byte[] content = new byte[(int) size];
      System.arraycopy(header, 0, content, 0, headerSize);
      int read = headerSize;
      try {
        read += in.readNBytes(content, headerSize, content.length - headerSize);
      } catch (IOException e) {
        throw new FileException(
            function + ": " + path + " must be whole (got " + e.getMessage() + ")", e);
      }
      requireBytes(size, read);
      if (in.read() >= 0) {
        throw tooLong(size, "more");
      }
      return ByteBuffer.wrap(content);
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  private void requireBytes(long wanted, long got) {
    if (got < wanted) {
      throw damaged("the file", "have " + wanted + " bytes", "its end at byte " + got);
    }
  }

  private FileException tooLong(long wanted, String got) {
    return damaged("the file", "end at byte " + wanted, got);
  }

  /** Returns the origin that errors name. */
  Origin origin() {
    return new Origin(function, path.toString());
  }

  /** Returns the error for invalid bytes. */
  FileException damagedAt(long offset, String what, String rule, Object got) {
    return origin().damagedAt(offset, what, rule, got);
  }

  /** Returns the error for invalid content. */
  FileException damaged(String what, String rule, String got) {
    return origin().damaged(what, rule, got);
  }

  /** Returns the error for a file that can't be read. */
  FileException unreadable(IOException cause) {
    return origin().unreadable(cause);
  }
}
