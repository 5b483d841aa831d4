package org.retort.recipes;

import java.nio.file.Path;
import java.util.Optional;
import org.retort.data.Dataset;

/**
 * The parts of data that are distributed as separate files.
 *
 * @param train the training part
 * @param test the test part, if there is one, with the classes of the training part
 */
public record DatasetParts(Dataset train, Optional<Dataset> test) {
  /**
   * Opens a folder of files in MNIST's format, compressed or not: {@code train-images-idx3-ubyte},
   * {@code train-labels-idx1-ubyte}, and those beginning with {@code t10k} if there is a test part.
   *
   * @param folder where they are
   * @return the parts
   * @throws org.retort.FileException if a file is missing, can't be read or is damaged, or the test
   *     part has a class that the training part lacks
   */
  public static DatasetParts idx(Path folder) {
    IdxFiles files = IdxFiles.of(folder);
    return files.hasTest()
        ? of(files.parts(folder.toString()))
        : new DatasetParts(files.train(), Optional.empty());
  }

  /**
   * Opens a folder with the binary version of CIFAR-10 or CIFAR-100.
   *
   * @param folder where the files are
   * @return the parts
   * @throws org.retort.FileException if a file is missing, can't be read or is damaged
   */
  public static DatasetParts cifar(Path folder) {
    return of(CifarFiles.any(folder));
  }

  private static DatasetParts of(DataParts parts) {
    return new DatasetParts(parts.train(), Optional.ofNullable(parts.test()));
  }
}
