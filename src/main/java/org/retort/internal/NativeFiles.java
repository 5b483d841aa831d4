package org.retort.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.ClosedFileSystemException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.retort.FileException;
import org.retort.bindings.NativeBytes;
import org.retort.bindings.NativeFileName;

/**
 * Files and streams for native code, which opens files of the default file system itself. It never
 * waits for a stream or for another file system: what it saves is complete in memory before it is
 * written, and what it loads is first read to the end.
 */
public final class NativeFiles {
  private static final int PART = 1 << 16;

  private NativeFiles() {}

  private interface Writer {
    void write(OutputStream stream) throws IOException;
  }

  private interface Work {
    void run() throws IOException;
  }

  /**
   * Saves to a file, which ends up either complete or unchanged.
   *
   * @param function the caller's name, for error messages
   * @param file where to write
   * @param toFile writes the file with this name
   * @param toMemory writes the content of the file
   * @throws FileException if the file can't be written
   */
  public static void save(
      String function, Path file, Consumer<NativeFileName> toFile, Consumer<NativeBytes> toMemory) {
    Arguments.notNull(file, function, "file");
    if (isNative(file)) {
      try (NativeFileName name = nameOf(file)) {
        toFile.accept(name);
      }
      return;
    }
    inMemory(
        bytes -> {
          toMemory.accept(bytes);
          attempt(
              function + ": file must be one that can be written (got " + file + ": ",
              () -> replace(file, stream -> write(bytes, stream)));
          return file;
        });
  }

  /**
   * Saves content created in Java to a file of any file system, which ends up either complete or
   * unchanged.
   *
   * @param function the caller's name, for error messages
   * @param file where to write
   * @param content the content of the file
   * @throws FileException if the file can't be written
   */
  public static void saveContent(String function, Path file, byte[] content) {
    Arguments.notNull(file, function, "file");
    attempt(
        function + ": file must be one that can be written (got " + file + ": ",
        () -> replace(file, stream -> stream.write(content)));
  }

  /**
   * Saves to a stream.
   *
   * @param function the caller's name, for error messages
   * @param stream the stream; flushed, but not closed
   * @param toMemory writes the content for the stream
   * @throws FileException if the stream throws an {@link IOException}
   */
  public static void save(String function, OutputStream stream, Consumer<NativeBytes> toMemory) {
    Arguments.notNull(stream, function, "stream");
    inMemory(
        bytes -> {
          toMemory.accept(bytes);
          attempt(
              function + ": stream must be one that can be written (got ",
              () -> write(bytes, stream));
          return stream;
        });
  }

  /**
   * Loads a file.
   *
   * @param function the caller's name, for error messages
   * @param file the file to read
   * @param fromFile reads the file with this name
   * @param fromMemory reads the content of the file
   * @param <T> the type of what is loaded
   * @return what is loaded
   * @throws FileException if the file is missing or can't be read
   */
  public static <T> T load(
      String function,
      Path file,
      Function<NativeFileName, T> fromFile,
      Function<NativeBytes, T> fromMemory) {
    Arguments.notNull(file, function, "file");
    LoadEvent event = FlightRecorder.isAvailable() ? LoadEvent.start() : null;
    T loaded = loaded(function, file, fromFile, fromMemory);
    if (event != null) {
      event.commit(file);
    }
    return loaded;
  }

  private static <T> T loaded(
      String function,
      Path file,
      Function<NativeFileName, T> fromFile,
      Function<NativeBytes, T> fromMemory) {
    if (isNative(file)) {
      try (NativeFileName name = nameOf(file)) {
        return fromFile.apply(name);
      }
    }
    return inMemory(
        bytes -> {
          bytes.name(file.toString());
          attempt(
              function + ": file must be one that can be read (got " + file + ": ",
              () -> {
                try (InputStream stream = Files.newInputStream(file)) {
                  read(stream, bytes);
                }
              });
          return fromMemory.apply(bytes);
        });
  }

  /**
   * Loads the content of a stream, up to its end.
   *
   * @param function the caller's name, for error messages
   * @param stream the stream; read to its end, but not closed
   * @param fromMemory reads the content of the stream
   * @param <T> the type of what is loaded
   * @return what is loaded
   * @throws FileException if the stream throws an {@link IOException}
   */
  public static <T> T load(
      String function, InputStream stream, Function<NativeBytes, T> fromMemory) {
    Arguments.notNull(stream, function, "stream");
    return inMemory(
        bytes -> {
          attempt(
              function + ": stream must be one that can be read (got ", () -> read(stream, bytes));
          return fromMemory.apply(bytes);
        });
  }

  /**
   * Loads content from memory.
   *
   * @param function the caller's name, for error messages
   * @param content the content of a file
   * @param fromMemory reads it
   * @param <T> the type of what is loaded
   * @return what is loaded
   */
  public static <T> T load(String function, byte[] content, Function<NativeBytes, T> fromMemory) {
    Arguments.notNull(content, function, "bytes");
    return inMemory(
        bytes -> {
          bytes.name(content.length + " bytes");
          append(bytes, content, content.length);
          return fromMemory.apply(bytes);
        });
  }

  /**
   * Loads content from memory that was read from elsewhere.
   *
   * @param name the name of the file, for error messages
   * @param content the content of the file
   * @param fromMemory reads it
   * @param <T> the type of what is loaded
   * @return what is loaded
   */
  public static <T> T loadNamed(String name, byte[] content, Function<NativeBytes, T> fromMemory) {
    return inMemory(
        bytes -> {
          bytes.name(name);
          append(bytes, content, content.length);
          return Native.call(() -> fromMemory.apply(bytes));
        });
  }

  /**
   * Loads an object that keeps the content of its file.
   *
   * @param function the caller's name, for error messages
   * @param file the file to read, in any file system
   * @param fromContent creates it from the content of the file
   * @param <T> the type of what is loaded
   * @return what is loaded
   * @throws FileException if the file is missing or can't be read
   */
  public static <T> T loadContent(String function, Path file, Function<byte[], T> fromContent) {
    Arguments.notNull(file, function, "file");
    LoadEvent event = FlightRecorder.isAvailable() ? LoadEvent.start() : null;
    byte[][] content = new byte[1][];
    attempt(
        function + ": file must be one that can be read (got " + file + ": ",
        () -> content[0] = Files.readAllBytes(file));
    T loaded = fromContent.apply(content[0]);
    if (event != null) {
      event.commit(file);
    }
    return loaded;
  }

  /**
   * Reads a stream to its end.
   *
   * @param function the caller's name, for error messages
   * @param stream the stream to read; not closed
   * @return its content
   * @throws FileException if the stream throws an {@link IOException}
   */
  public static byte[] bytes(String function, InputStream stream) {
    Arguments.notNull(stream, function, "stream");
    byte[][] content = new byte[1][];
    attempt(
        function + ": stream must be one that can be read (got ",
        () -> content[0] = stream.readAllBytes());
    return content[0];
  }

  /**
   * Requires a file that native code can open itself.
   *
   * @param function the caller's name, for error messages
   * @param file the file
   * @param reason why it must
   * @return the file
   * @throws IllegalArgumentException if it is null or in another file system
   */
  public static Path requireNative(String function, Path file, String reason) {
    Arguments.notNull(file, function, "file");
    Arguments.check(
        isNative(file),
        "%s: file must be of the default file system, %s (got %s of %s)",
        function,
        reason,
        file,
        file.getFileSystem().provider().getScheme());
    return file;
  }

  /**
   * Returns the name by which the system knows a file: the bytes that {@link Files} uses, whatever
   * charset native code or JavaCPP would choose.
   *
   * @param file a file of the default file system
   * @return its absolute name, which the caller closes
   */
  public static NativeFileName nameOf(Path file) {
    NativeLibrary.load();
    String escaped = file.toUri().getRawPath();
    byte[] name = new byte[escaped.length()];
    int size = 0;
    for (int i = 0; i < escaped.length(); i++) {
      char letter = escaped.charAt(i);
      if (letter == '%') {
        name[size++] = (byte) Integer.parseInt(escaped, i + 1, i + 3, 16);
        i += 2;
      } else {
        name[size++] = (byte) letter;
      }
    }
    // the URI of a folder ends with a slash
    if (size > 1 && name[size - 1] == '/') {
      size--;
    }
    return new NativeFileName(name, size);
  }

  private static <T> T inMemory(Function<NativeBytes, T> use) {
    NativeLibrary.load();
    NativeBytes bytes = new NativeBytes();
    try {
      return use.apply(bytes);
    } finally {
      bytes.deallocate(); // close() would leave this to an open PointerScope
    }
  }

  private static boolean isNative(Path file) {
    return file.getFileSystem().equals(FileSystems.getDefault())
        && file.getFileSystem().provider().getScheme().equals("file");
  }

  /** Replaces a file of any file system. */
  private static void replace(Path file, Writer content) throws IOException {
    if (Files.isDirectory(file)) {
      throw new FileSystemException(file.toString(), null, "Is a directory");
    }
    Path temporary =
        file.resolveSibling(
            String.format("retort-%016x.tmp", ThreadLocalRandom.current().nextLong()));
    try {
      try (OutputStream stream =
          Files.newOutputStream(
              temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        content.write(stream);
      }
      try {
        Files.move(
            temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (AtomicMoveNotSupportedException error) {
        Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException | RuntimeException error) {
      try {
        Files.deleteIfExists(temporary);
      } catch (IOException | RuntimeException another) {
        error.addSuppressed(another);
      }
      throw error;
    }
  }

  private static void write(NativeBytes bytes, OutputStream stream) throws IOException {
    byte[] part = new byte[PART];
    for (long done = 0; done < bytes.size(); done += PART) {
      int size = (int) Math.min(PART, bytes.size() - done);
      bytes.copy(done, part, size);
      stream.write(part, 0, size);
    }
    stream.flush();
  }

  private static void read(InputStream stream, NativeBytes bytes) throws IOException {
    byte[] part = new byte[PART];
    for (int size = stream.read(part); size >= 0; size = stream.read(part)) {
      append(bytes, part, size);
    }
  }

  private static void append(NativeBytes bytes, byte[] part, int size) {
    try {
      bytes.append(part, size);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  /** Read-only file systems throw UnsupportedOperationException. */
  private static void attempt(String message, Work work) {
    try {
      work.run();
    } catch (IOException | UnsupportedOperationException | ClosedFileSystemException error) {
      String lines = message + error + ")";
      throw new FileException(lines.lines().collect(Collectors.joining("\\n")), error);
    }
  }
}
