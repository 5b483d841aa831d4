package org.retort.spark;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps what a rank has written in a shared folder, on its own thread, so that training does not
 * wait for a remote file system. If a file changes faster than it is kept, the newest state is
 * kept.
 */
final class Uploads implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SparkDistillation.class);

  /** How long an unresponsive file system can delay the end of a failed task. */
  private static final long PATIENCE_MILLIS = 10_000;

  private final Path root;
  private final SharedFolder shared;
  private final Map<Path, State> seen = new HashMap<>();
  private final Map<String, InputStream> waiting = new LinkedHashMap<>();
  private final Thread thread;
  private boolean busy;
  private boolean closed;
  private @Nullable RuntimeException failure;

  /**
   * The attributes that distinguish a file from the one that it replaced.
   *
   * @param time when it was changed
   * @param size in bytes
   * @param key of the file system
   */
  private record State(FileTime time, long size, Object key) {
    static State of(Path file) throws IOException {
      BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
      return new State(attributes.lastModifiedTime(), attributes.size(), attributes.fileKey());
    }
  }

  /** Starts keeping files of a local folder, except those already there. */
  Uploads(Path root, SharedFolder shared) {
    this.root = root;
    this.shared = shared;
    changed(root); // marks them as seen
    thread = new Thread(this::run, "retort-uploads");
    thread.setDaemon(true);
    thread.start();
  }

  /** Keeps a file, or the files of a folder, that have changed since they were last checked. */
  void keepChanged(Path fileOrFolder) {
    changed(fileOrFolder).forEach(this::keep);
  }

  private List<Path> changed(Path fileOrFolder) {
    try (Stream<Path> files = Files.walk(fileOrFolder)) {
      return files.filter(Files::isRegularFile).filter(this::hasChanged).toList();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private boolean hasChanged(Path file) {
    try {
      State state = State.of(file);
      return !state.equals(seen.put(file, state));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Keeps a file as it is now: a later replacement does not change what is read. */
  private synchronized void keep(Path file) {
    rethrow();
    try {
      InputStream content = Files.newInputStream(file);
      InputStream older = waiting.put(root.relativize(file).toString(), content);
      if (older != null) {
        older.close();
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    notifyAll();
  }

  /** Waits until everything is kept. */
  synchronized void await() throws InterruptedException {
    while (failure == null && (busy || !waiting.isEmpty())) {
      wait();
    }
    rethrow();
  }

  private void rethrow() {
    if (failure != null) {
      throw failure;
    }
  }

  private void run() {
    for (Map.Entry<String, InputStream> next = next(); next != null; next = next()) {
      RuntimeException thrown = null;
      try (InputStream content = next.getValue()) {
        shared.keep(next.getKey(), content);
      } catch (RuntimeException error) {
        thrown = error;
      } catch (Throwable error) { // a file system's classes may be missing
        thrown = new IllegalStateException(error.toString(), error);
      }
      done(thrown);
    }
  }

  private synchronized void done(@Nullable RuntimeException thrown) {
    busy = false;
    if (failure == null) {
      failure = thrown;
    }
    notifyAll();
  }

  private synchronized Map.@Nullable Entry<String, InputStream> next() {
    while (waiting.isEmpty() && !closed) {
      try {
        wait();
      } catch (InterruptedException closing) {
        continue;
      }
    }
    if (waiting.isEmpty()) {
      return null;
    }
    Map.Entry<String, InputStream> first = waiting.entrySet().iterator().next();
    waiting.remove(first.getKey());
    busy = true;
    return first;
  }

  /**
   * Ends the thread once it has kept all pending files, unless that takes too long or has failed.
   */
  @Override
  public void close() {
    boolean interrupted = false;
    try {
      finish();
    } catch (InterruptedException error) {
      interrupted = true;
    }
    synchronized (this) {
      closed = true;
      waiting.values().forEach(Uploads::closeQuietly);
      waiting.clear();
      notifyAll();
    }
    thread.interrupt(); // it may be waiting for the file system
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized void finish() throws InterruptedException {
    long end = System.currentTimeMillis() + PATIENCE_MILLIS;
    long left = PATIENCE_MILLIS;
    while (failure == null && (busy || !waiting.isEmpty()) && left > 0) {
      wait(left);
      left = end - System.currentTimeMillis();
    }
    if (busy || !waiting.isEmpty()) {
      LOG.warn("files not kept: {}", waiting.isEmpty() ? "the last one" : waiting.keySet());
    }
  }

  private static void closeQuietly(InputStream stream) {
    try {
      stream.close();
    } catch (IOException error) {
      LOG.debug("a file that was only read could not be closed", error);
    }
  }
}
