package org.retort.spark;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.retort.FileException;

/**
 * A folder of any file system that Hadoop knows, in which whole files are kept. As not all of them
 * can replace a file at once, each file is written under a new number, {@code name.00000007}, and
 * older ones are deleted then.
 */
final class SharedFolder {
  private static final Pattern NUMBERED = Pattern.compile("(.+)\\.(\\d{8})");
  private static final String UNFINISHED = ".unfinished";

  private final org.apache.hadoop.fs.Path folder;
  private final FileSystem files;

  private SharedFolder(org.apache.hadoop.fs.Path folder, FileSystem files) {
    this.folder = folder;
    this.files = files;
  }

  /**
   * Opens a folder, and makes it if it is not there.
   *
   * @throws FileException if it can't be made
   */
  static SharedFolder open(String uri, Configuration configuration) {
    try {
      org.apache.hadoop.fs.Path folder = new org.apache.hadoop.fs.Path(uri);
      FileSystem files = folder.getFileSystem(configuration);
      if (!files.mkdirs(folder)) {
        throw new IOException("no permission");
      }
      return new SharedFolder(folder, files);
    } catch (IOException | IllegalArgumentException failure) {
      throw new FileException(
          "SparkDistillation.checkpoints: folder must be one that is there or can be made (got %s: %s)"
              .formatted(uri, firstLine(failure)),
          failure);
    }
  }

  /**
   * Copies the newest of each file into a local folder.
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
    for (Map.Entry<String, Integer> file : newest(from).entrySet()) {
      try (InputStream in = files.open(numbered(from, file.getKey(), file.getValue()))) {
        Files.copy(in, to.resolve(file.getKey()));
      }
    }
  }

  /**
   * Keeps a file, in the place of one of the same name.
   *
   * @param name relative to the folder, with slashes
   * @param content is read to its end, and not closed
   * @throws FileException if it can't be written
   */
  void keep(String name, InputStream content) {
    org.apache.hadoop.fs.Path target = new org.apache.hadoop.fs.Path(folder, name);
    org.apache.hadoop.fs.Path parent = target.getParent();
    org.apache.hadoop.fs.Path written =
        new org.apache.hadoop.fs.Path(parent, "." + UUID.randomUUID() + UNFINISHED);
    try {
      files.mkdirs(parent);
      int last = newest(parent).getOrDefault(target.getName(), 0);
      try {
        try (OutputStream out = files.create(written, true)) {
          content.transferTo(out);
        }
        if (!files.rename(written, numbered(parent, target.getName(), last + 1))) {
          throw new IOException(target + " can't be renamed");
        }
      } finally {
        files.delete(written, false); // there no more, unless it failed
      }
      deleteUpTo(parent, target.getName(), last);
    } catch (IOException failure) {
      throw failed("writable", failure);
    }
  }

  private Map<String, Integer> newest(org.apache.hadoop.fs.Path parent) throws IOException {
    Map<String, Integer> newest = new HashMap<>();
    for (FileStatus status : files.listStatus(parent)) {
      Matcher name = NUMBERED.matcher(status.getPath().getName());
      if (status.isFile() && name.matches()) {
        newest.merge(name.group(1), Integer.parseInt(name.group(2)), Math::max);
      }
    }
    return newest;
  }

  private void deleteUpTo(org.apache.hadoop.fs.Path parent, String file, int last)
      throws IOException {
    for (FileStatus status : files.listStatus(parent)) {
      Matcher name = NUMBERED.matcher(status.getPath().getName());
      if (name.matches() && name.group(1).equals(file) && Integer.parseInt(name.group(2)) <= last) {
        files.delete(status.getPath(), false);
      }
    }
  }

  private static org.apache.hadoop.fs.Path numbered(
      org.apache.hadoop.fs.Path parent, String name, int number) {
    return new org.apache.hadoop.fs.Path(parent, "%s.%08d".formatted(name, number));
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
