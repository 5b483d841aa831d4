package org.retort.data;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.GZIPInputStream;
import org.retort.internal.Arguments;

/** A file that a data set is read from, and the errors that name it. */
record DataFile(String function, Path path) {
  private static final int GZIP_MAGIC = 0x1f8b;

  /** No gzip file holds more than this for each of its bytes. */
  private static final long BEST_COMPRESSION = 1032;

  /** Requires the file to be there; {@code function} is the caller's name. */
  static DataFile of(String function, Path path) {
    Arguments.notNull(path, function, "file");
    if (!Files.isRegularFile(path)) {
      throw new IllegalArgumentException(function + ": file must exist (got " + path + ")");
    }
    return new DataFile(function, path);
  }

  /** The bytes of the whole file, which is mapped into memory. */
  ByteBuffer map() {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      long size = channel.size();
      if (size > Integer.MAX_VALUE) {
        throw damaged("the file", "have at most 2 GiB", size + " bytes");
      }
      return channel.map(MapMode.READ_ONLY, 0, size);
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  /** Whether the file begins as gzip's do. */
  boolean isGzip() {
    try (InputStream in = Files.newInputStream(path)) {
      return (in.read() << Byte.SIZE | in.read()) == GZIP_MAGIC;
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  /** The content from the start, inflated if the file is a gzip file. */
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
   * The whole content: mapped, or inflated into memory. {@code headerSize} bytes tell how many
   * there must be, to {@code sizeOf}, which checks them.
   */
  ByteBuffer content(int headerSize, ContentSize sizeOf) {
    return isGzip() ? inflate(headerSize, sizeOf) : mapped(headerSize, sizeOf);
  }

  /** How large a file must be by its header. */
  @FunctionalInterface
  interface ContentSize {
    long of(ByteBuffer header);
  }

  private ByteBuffer mapped(int headerSize, ContentSize sizeOf) {
    ByteBuffer bytes = map();
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
      // Before memory is taken on the word of a damaged header.
      long most = Math.min(BEST_COMPRESSION * Files.size(path), Integer.MAX_VALUE - 8);
      if (size > most) {
        throw damaged("the header", "announce at most " + most + " bytes", String.valueOf(size));
      }
      byte[] content = new byte[(int) size];
      System.arraycopy(header, 0, content, 0, headerSize);
      int read = headerSize;
      try {
        read += in.readNBytes(content, headerSize, content.length - headerSize);
      } catch (IOException e) {
        throw new UncheckedIOException(
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

  private UncheckedIOException tooLong(long wanted, String got) {
    return damaged("the file", "end at byte " + wanted, got);
  }

  /** The error for bytes that are not what they should be. */
  UncheckedIOException damagedAt(long offset, String what, String rule, Object got) {
    return damaged(what + " at byte " + offset, rule, String.valueOf(got));
  }

  /** The error for content that is not what it should be. */
  UncheckedIOException damaged(String what, String rule, String got) {
    String message =
        function + ": " + what + " of " + path + " must " + rule + " (got " + got + ")";
    return new UncheckedIOException(message, new IOException(message));
  }

  /** The error for a file that the system does not let us read. */
  UncheckedIOException unreadable(IOException cause) {
    return new UncheckedIOException(
        function + ": " + path + " must be readable (got " + cause.getMessage() + ")", cause);
  }
}
