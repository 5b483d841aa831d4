package org.retort.cli;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A process's claim to a run, which ends with the process at the latest: a lock on a file, which
 * stays in place.
 */
final class Claim implements AutoCloseable {
  private final FileChannel file;
  private final boolean isGranted;

  private Claim(FileChannel file, boolean isGranted) {
    this.file = file;
    this.isGranted = isGranted;
  }

  /** Claims the run that a file stands for. */
  static Claim of(Path path) throws IOException {
    FileChannel file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      return new Claim(file, tryLock(file));
    } catch (IOException failure) {
      file.close();
      throw failure;
    }
  }

  private static boolean tryLock(FileChannel file) throws IOException {
    try {
      return file.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      return false; // this process has claimed it already
    }
  }

  /** Returns whether no other claim came first. */
  boolean isGranted() {
    return isGranted;
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
