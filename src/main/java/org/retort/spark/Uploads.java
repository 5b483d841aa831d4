package org.retort.spark;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Keeps what a rank has written in a shared folder, by a thread of its own, so that a training does
 * not wait for a distant file system. Of a file that changes faster than it is kept, the newest
 * state is.
 */
final class Uploads implements AutoCloseable {
  private final Path root;
  private final SharedFolder shared;
  private final Map<Path, FileTime> seen = new HashMap<>();
  private final Map<String, InputStream> waiting = new LinkedHashMap<>();
  private final Thread thread;
  private boolean busy;
  private boolean closed;
  private @Nullable RuntimeException failure;

  /** Will keep files of a local folder. */
  Uploads(Path root, SharedFolder shared) {
    this.root = root;
    this.shared = shared;
    thread = new Thread(this::run, "retort-uploads");
    thread.setDaemon(true);
    thread.start();
  }

  /** Keeps the files of a folder that have changed since they were last looked at. */
  void keepChanged(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
        FileTime time = Files.getLastModifiedTime(file);
        if (!time.equals(seen.put(file, time))) {
          keep(file);
        }
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Keeps a file as it is now: one that replaces it later does not change what is read. */
  private synchronized void keep(Path file) throws IOException {
    rethrow();
    InputStream older =
        waiting.put(
            root.relativize(file).toString().replace('\\', '/'), Files.newInputStream(file));
    if (older != null) {
      older.close();
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
      } catch (IOException error) {
        thrown = new UncheckedIOException(error);
      } catch (RuntimeException error) {
        thrown = error;
      }
      done(thrown);
    }
  }

  private synchronized void done(@Nullable RuntimeException thrown) {
    busy = false;
    failure = failure == null ? thrown : failure;
    notifyAll();
  }

  private synchronized Map.@Nullable Entry<String, InputStream> next() {
    while (waiting.isEmpty() && !closed) {
      try {
        wait();
      } catch (InterruptedException error) {
        return null;
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

  /** Ends the thread, once it has kept what waits. */
  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException error) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
