package org.retort.recipes;

import java.nio.file.Path;
import java.util.stream.IntStream;
import org.retort.data.Dataset;
import org.retort.data.Subset;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.data.TableDataset;
import org.retort.data.TableOptions;

/**
 * UCI's letters in a folder, as R's package mlbench has them, written as a CSV file. The first
 * 16,000 rows are for training, as in the paper that made them and ever since.
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
    int[] train = IntStream.range(0, TRAIN_SIZE).toArray();
    TableColumns columns = table.fit(train);
    Dataset whole = TableDataset.of(table, columns);
    Dataset test = Subset.of(whole, IntStream.range(TRAIN_SIZE, SIZE).toArray());
    return DataParts.of(Subset.of(whole, train), test, "Frey, Slate: Letter Recognition, UCI, 1991")
        .withColumns(columns);
  }
}
