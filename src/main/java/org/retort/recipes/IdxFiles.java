package org.retort.recipes;

import java.nio.file.Files;
import java.nio.file.Path;
import org.retort.data.IdxDataset;

/**
 * A folder of files in MNIST's format, compressed or not.
 *
 * @param folder where the files are
 */
record IdxFiles(Path folder) {
  private static final String TRAIN = "train";
  private static final String TEST = "t10k";

  static IdxFiles of(Path folder) {
    return new IdxFiles(folder);
  }

  /** Returns the data of both parts, with the classes of the training part. */
  DataParts parts(String credit) {
    IdxDataset train = train();
    IdxDataset test = IdxDataset.open(images(TEST), labels(TEST), train.classes());
    return DataParts.of(train, test, credit);
  }

  /** Returns the training part. */
  IdxDataset train() {
    return IdxDataset.open(images(TRAIN), labels(TRAIN));
  }

  /** Returns whether there is a test part. */
  boolean hasTest() {
    return Files.exists(images(TEST));
  }

  private Path images(String part) {
    return compressedOrNot(part + "-images-idx3-ubyte");
  }

  private Path labels(String part) {
    return compressedOrNot(part + "-labels-idx1-ubyte");
  }

  private Path compressedOrNot(String name) {
    Path plain = folder.resolve(name);
    return Files.exists(plain) ? plain : folder.resolve(name + ".gz");
  }
}
