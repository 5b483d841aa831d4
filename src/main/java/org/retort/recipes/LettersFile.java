package org.retort.recipes;

import java.nio.file.Path;
import java.util.stream.IntStream;
import org.retort.data.Table;
import org.retort.data.TableOptions;

/**
 * The UCI letters in a folder, as in R's package mlbench, written as a CSV file. The first 16,000
 * rows are for training, as in the original paper and ever since.
 */
final class LettersFile {
  static final int FEATURES = 16;
  static final int CLASSES = 26;
  static final int TRAIN_SIZE = 16_000;

  private static final String NAME = "letter-recognition.csv";
  private static final String LABEL = "lettr";
  private static final int SIZE = 20_000;

  private LettersFile() {}

  static DataParts parts(Path folder) {
    Table table = Table.read(folder.resolve(NAME), TableOptions.of(LABEL));
    if (table.size() != SIZE) {
      throw new IllegalArgumentException(
          "%s must have %,d rows (got %,d)".formatted(NAME, SIZE, table.size()));
    }
    return DataParts.ofRows(
        table,
        IntStream.range(TRAIN_SIZE, SIZE).toArray(),
        "Frey, Slate: Letter Recognition, UCI, 1991");
  }
}
