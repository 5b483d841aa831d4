package org.retort.recipes;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.retort.data.CifarDataset;

/** Folders of the binary versions of CIFAR-10 and CIFAR-100. */
final class CifarFiles {
  private static final String CREDIT =
      "Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009, CIFAR-";
  private static final String TRAIN_OF_100 = "train.bin";

  private CifarFiles() {}

  /** Returns the data of a folder that holds the files of either. */
  static DataParts any(Path folder) {
    return Files.exists(folder.resolve(TRAIN_OF_100)) ? cifar100(folder) : cifar10(folder);
  }

  static DataParts cifar10(Path folder) {
    Path[] train =
        IntStream.rangeClosed(1, 5)
            .mapToObj(i -> folder.resolve("data_batch_" + i + ".bin"))
            .toArray(Path[]::new);
    return DataParts.of(
        CifarDataset.cifar10(train),
        CifarDataset.cifar10(folder.resolve("test_batch.bin")),
        CREDIT + 10);
  }

  static DataParts cifar100(Path folder) {
    return DataParts.of(
        CifarDataset.cifar100(folder.resolve(TRAIN_OF_100)),
        CifarDataset.cifar100(folder.resolve("test.bin")),
        CREDIT + 100);
  }
}
