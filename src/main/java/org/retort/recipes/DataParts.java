package org.retort.recipes;

import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.retort.data.Dataset;
import org.retort.data.ImageShape;
import org.retort.data.Subset;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.data.TableDataset;

/**
 * Data split into the parts of an experiment.
 *
 * @param train the training part
 * @param test the part on which accuracy is measured; null if there is none
 * @param shape the shape of what networks see of an image after augmentation
 * @param credit who made the data
 * @param resize the size to which the shorter side of pictures is scaled; 0 for the smallest size
 *     that covers the shape
 * @param columns the columns of a table, which define how its rows are normalised
 * @param threads the number of threads that read samples; it does not affect what they read
 */
record DataParts(
    Dataset train,
    @Nullable Dataset test,
    ImageShape shape,
    String credit,
    int resize,
    Optional<TableColumns> columns,
    int threads) {
  static DataParts of(Dataset train, Dataset test, String credit) {
    return new DataParts(train, test, train.shape(), credit, 0, Optional.empty(), 1);
  }

  /** Returns the rows of a table, whose columns are fitted on those not used for testing. */
  static DataParts ofRows(Table table, int[] test, String credit) {
    Set<Integer> tested = IntStream.of(test).boxed().collect(Collectors.toSet());
    int[] train = IntStream.range(0, table.size()).filter(row -> !tested.contains(row)).toArray();
    TableColumns columns = table.fit(train);
    Dataset whole = TableDataset.of(table, columns);
    return of(Subset.of(whole, train), Subset.of(whole, test), credit).withColumns(columns);
  }

  /** Returns a program's own rows, none of which are for testing. */
  static DataParts ofRows(Dataset train) {
    return new DataParts(train, null, train.shape(), "rows", 0, Optional.empty(), 1);
  }

  /** Returns noise, for measurements that need no images. */
  static DataParts noise(NoiseDataset noise) {
    return new DataParts(noise, null, noise.shape(), "noise", 0, Optional.empty(), 1);
  }

  /** Returns noise in the shape of these data. */
  DataParts noise() {
    Dataset noise =
        new NoiseDataset(train.shape(), train.classes(), train.size(), columns.isPresent());
    return new DataParts(noise, null, shape, "noise", resize, columns, 1);
  }

  /**
   * Returns a copy as pictures whose shorter side is scaled, read by the given number of threads.
   */
  DataParts withPictures(ImageShape other, int shorterSide, int readers) {
    return new DataParts(train, test, other, credit, shorterSide, columns, readers);
  }

  /** Returns a copy as the rows of a table. */
  DataParts withColumns(TableColumns other) {
    return new DataParts(train, test, shape, credit, resize, Optional.of(other), threads);
  }
}
