package org.retort.data;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.retort.FileException;
import org.retort.internal.Arguments;

/**
 * The parts of an image folder, each of which {@link ImageFolder} opens: a folder {@code train} and
 * one of {@code test}, {@code val}, {@code valid} or {@code validation}, if these two are its only
 * subfolders, hidden ones aside; otherwise the folder itself, whose subfolders are classes.
 *
 * @param train the folder of the training part, or of all images
 * @param test the folder of the test part; empty if the images are in one part
 */
public record FolderParts(Path train, Optional<Path> test) {
  private static final String OF = "FolderParts.of";
  private static final String TRAIN = "train";
  private static final List<String> TEST = List.of("test", "val", "valid", "validation");

  /**
   * Checks the values.
   *
   * @param train as above
   * @param test as above
   * @throws IllegalArgumentException if one is null
   */
  public FolderParts {
    Arguments.notNull(train, "FolderParts", "train");
    Arguments.notNull(test, "FolderParts", "test");
  }

  /**
   * Finds the parts of a folder, which need not exist.
   *
   * @param folder the folder, in any file system
   * @return the parts
   * @throws IllegalArgumentException if it is null
   * @throws FileException if the folder can't be listed
   */
  public static FolderParts of(Path folder) {
    Arguments.notNull(folder, OF, "folder");
    Path train = folder.resolve(TRAIN);
    Optional<Path> test = TEST.stream().map(folder::resolve).filter(Files::isDirectory).findFirst();
    return Files.isDirectory(train) && test.isPresent() && folders(folder) == 2
        ? new FolderParts(train, test)
        : new FolderParts(folder, Optional.empty());
  }

  private static long folders(Path folder) {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries
          .filter(entry -> !entry.getFileName().toString().startsWith("."))
          .filter(Files::isDirectory)
          .count();
    } catch (UncheckedIOException e) {
      throw unreadable(folder, e.getCause());
    } catch (IOException e) {
      throw unreadable(folder, e);
    }
  }

  private static FileException unreadable(Path folder, IOException cause) {
    return new FileException(
        OF + ": folder must be readable (got " + Origin.oneLine(folder.toString()) + ")", cause);
  }
}
