package org.retort.spark;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.retort.FileException;

/**
 * A folder of any file system that Hadoop supports, in which whole files are kept. As not all file
 * systems can replace a file atomically, each file is written under a new number, and older ones
 * are then deleted. The number consists of that of the writer, of which there is a new one for each
 * attempt, and that of the file: {@code last.checkpoint.0002-00000007}. So a writer that was given
 * up but is still running never hides what its successor has written.
 */
final class SharedFolder {
  private static final Pattern NUMBERED = Pattern.compile("(.+)\\.(\\d{4})-(\\d{8})");
  private static final Pattern WRITER = Pattern.compile("\\.writer-(\\d{4})");
  private static final String UNFINISHED = ".unfinished";
  private static final int ATTEMPTS = 3;

  private final org.apache.hadoop.fs.Path folder;
  private final FileSystem files;
  private final int writer;

  /**
   * A file in the folder.
   *
   * @param name without its numbers
   * @param writer who wrote it
   * @param number counts what the writer wrote
   * @param path where it is
   */
  private record Kept(String name, int writer, int number, org.apache.hadoop.fs.Path path)
      implements Comparable<Kept> {
    @Override
    public int compareTo(Kept other) {
      return Comparator.comparingInt(Kept::writer)
          .thenComparingInt(Kept::number)
          .compare(this, other);
    }
  }

  private SharedFolder(org.apache.hadoop.fs.Path folder, FileSystem files, int writer) {
    this.folder = folder;
    this.files = files;
    this.writer = writer;
  }

  /**
   * Creates a folder if it does not exist.
   *
   * @throws FileException if it can't be created
   */
  static void make(String uri, Configuration configuration) {
    at(uri, configuration, folder -> 0);
  }

  /**
   * Opens a folder as its next writer, creating it if it does not exist.
   *
   * @throws FileException if it can't be created
   */
  static SharedFolder open(String uri, Configuration configuration) {
    return at(uri, configuration, SharedFolder::nextWriter);
  }

  /** Chooses the number of the writer. */
  private interface Choice {
    int of(SharedFolder folder) throws IOException;
  }

  private static SharedFolder at(String uri, Configuration configuration, Choice writer) {
    try {
      org.apache.hadoop.fs.Path folder = new org.apache.hadoop.fs.Path(uri);
      FileSystem files = folder.getFileSystem(configuration);
      if (!files.mkdirs(folder)) {
        throw new IOException("no permission");
      }
      return new SharedFolder(folder, files, writer.of(new SharedFolder(folder, files, 0)));
    } catch (IOException | IllegalArgumentException failure) {
      throw new FileException(
          ("SparkDistillation.checkpoints: folder must be one that exists or can be created"
                  + " (got %s: %s)")
              .formatted(uri, firstLine(failure)),
          failure);
    }
  }

  private int nextWriter() throws IOException {
    int last = 0;
    List<org.apache.hadoop.fs.Path> markers = new ArrayList<>();
    for (FileStatus status : files.listStatus(folder)) {
      Matcher marker = WRITER.matcher(status.getPath().getName());
      if (marker.matches()) {
        last = Math.max(last, Integer.parseInt(marker.group(1)));
        markers.add(status.getPath());
      }
    }
    for (; ; ) {
      last++;
      try {
        files
            .create(new org.apache.hadoop.fs.Path(folder, ".writer-%04d".formatted(last)), false)
            .close();
        break;
      } catch (org.apache.hadoop.fs.FileAlreadyExistsException taken) {
        continue;
      }
    }
    for (org.apache.hadoop.fs.Path marker : markers) {
      files.delete(marker, false);
    }
    return last;
  }

  /**
   * Copies the newest version of each file into a local folder.
   *
   * @throws FileException if one can't be read
   */
  void copyTo(Path local) {
    try {
      copy(folder, local);
    } catch (IOException failure) {
      throw failed("readable", failure);
    }
  }

  private void copy(org.apache.hadoop.fs.Path from, Path to) throws IOException {
    for (FileStatus status : files.listStatus(from)) {
      if (status.isDirectory()) {
        Path inner = to.resolve(status.getPath().getName());
        Files.createDirectories(inner);
        copy(status.getPath(), inner);
      }
    }
    for (String name : newest(from).keySet()) {
      copyNewest(from, name, to.resolve(name));
    }
  }

  /** Copies a file, which a writer that was given up may be replacing. */
  private void copyNewest(org.apache.hadoop.fs.Path from, String name, Path to) throws IOException {
    for (int attempt = 1; ; attempt++) {
      try (InputStream in = files.open(newest(from).get(name).path())) {
        Files.copy(in, to, StandardCopyOption.REPLACE_EXISTING);
        return;
      } catch (FileNotFoundException replaced) {
        if (attempt == ATTEMPTS) {
          throw replaced;
        }
      }
    }
  }

  /**
   * Keeps a file, replacing one of the same name.
   *
   * @param name relative to the folder, with slashes
   * @param content read to its end, but not closed
   * @throws FileException if it can't be written
   */
  void keep(String name, InputStream content) {
    org.apache.hadoop.fs.Path target = new org.apache.hadoop.fs.Path(folder, name);
    org.apache.hadoop.fs.Path parent = target.getParent();
    org.apache.hadoop.fs.Path written =
        new org.apache.hadoop.fs.Path(parent, "." + UUID.randomUUID() + UNFINISHED);
    try {
      files.mkdirs(parent);
      int number =
          kept(parent).stream()
              .filter(file -> file.name.equals(target.getName()) && file.writer == writer)
              .mapToInt(Kept::number)
              .max()
              .orElse(0);
      try {
        try (OutputStream out = files.create(written, true)) {
          content.transferTo(out);
        }
        String numbered = "%s.%04d-%08d".formatted(target.getName(), writer, number + 1);
        if (!files.rename(written, new org.apache.hadoop.fs.Path(parent, numbered))) {
          throw new IOException(target + " can't be renamed");
        }
      } finally {
        files.delete(written, false); // already gone, unless it failed
      }
      deleteOlder(parent, target.getName(), number);
    } catch (IOException failure) {
      throw failed("writable", failure);
    }
  }

  private void deleteOlder(org.apache.hadoop.fs.Path parent, String name, int number)
      throws IOException {
    for (Kept file : kept(parent)) {
      if (file.name.equals(name)
          && (file.writer < writer || file.writer == writer && file.number <= number)) {
        files.delete(file.path, false);
      }
    }
  }

  private Map<String, Kept> newest(org.apache.hadoop.fs.Path parent) throws IOException {
    Map<String, Kept> newest = new HashMap<>();
    for (Kept file : kept(parent)) {
      newest.merge(file.name, file, (one, other) -> one.compareTo(other) > 0 ? one : other);
    }
    return newest;
  }

  private List<Kept> kept(org.apache.hadoop.fs.Path parent) throws IOException {
    List<Kept> kept = new ArrayList<>();
    for (FileStatus status : files.listStatus(parent)) {
      Matcher name = NUMBERED.matcher(status.getPath().getName());
      if (status.isFile() && name.matches()) {
        kept.add(
            new Kept(
                name.group(1),
                Integer.parseInt(name.group(2)),
                Integer.parseInt(name.group(3)),
                status.getPath()));
      }
    }
    return kept;
  }

  private FileException failed(String rule, IOException failure) {
    return new FileException(
        "SparkDistillation.checkpoints: folder must be %s (got %s: %s)"
            .formatted(rule, folder, firstLine(failure)),
        failure);
  }

  private static String firstLine(Exception failure) {
    String message = failure.getMessage() == null ? failure.toString() : failure.getMessage();
    return message.lines().findFirst().orElse("");
  }
}
