package org.retort.fuzz;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.retort.data.Augmentation;
import org.retort.data.CifarDataset;
import org.retort.data.CsvDataset;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.data.FolderInspection;
import org.retort.data.IdxDataset;
import org.retort.data.ImageFolder;
import org.retort.data.ImageShape;
import org.retort.data.PackedDataset;
import org.retort.data.Subset;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.data.TableDataset;
import org.retort.data.TableOptions;

/** Small files of data, the data sets of them, and batches. */
final class DataFixtures implements AutoCloseable {
  private static final ImageShape SHAPE = new ImageShape(3, 2, 2);
  private static final int VALUES = 12;

  private final Digits digits = Digits.load();
  private final Path cifar;
  private final Path images;
  private final Path labels;
  private final Path csv;
  private final Path classes;
  private final Path tableFile;
  private final Table table;
  private final TableColumns columns;
  private final List<Dataset> datasets;
  private DatasetBatches batches;

  /** Writes the files into a folder. */
  DataFixtures(Path folder) throws IOException {
    cifar = Files.write(folder.resolve("cifar.bin"), new byte[20 * 3073]);
    images = Files.write(folder.resolve("images"), idx(20 * 4, 20, 2, 2));
    labels = Files.write(folder.resolve("labels"), idx(20, 20));
    csv =
        Files.writeString(
            folder.resolve("data.csv"), ("1" + ",7".repeat(VALUES) + "\n").repeat(20));
    classes = Files.createDirectories(folder.resolve("classes"));
    for (String name : List.of("one", "two")) {
      BufferedImage image = new BufferedImage(3, 2, BufferedImage.TYPE_INT_RGB);
      Path file = Files.createDirectories(classes.resolve(name)).resolve("image.png");
      ImageIO.write(image, "png", file.toFile());
    }
    tableFile = Files.writeString(folder.resolve("table.csv"), tableText());
    table = Table.read(tableFile, TableOptions.of("class"));
    columns = table.fit();
    columns.write(folder.resolve("columns.csv"));
    datasets =
        List.of(
            CifarDataset.cifar10(cifar),
            IdxDataset.open(images, labels),
            csv().open(),
            ImageFolder.open(classes, SHAPE),
            TableDataset.of(table, columns),
            PackedDataset.open(csv().open(), folder.resolve("packed")),
            Subset.of(digits.train(), 5, 3, 8, 1, 2, 9, 6, 7, 0, 4, 10, 11, 12, 13, 14, 15));
    renew();
  }

  private static byte[] idx(int bytes, int... dimensions) {
    ByteBuffer file = ByteBuffer.allocate(4 + 4 * dimensions.length + bytes);
    file.putInt(0x0800 | dimensions.length);
    for (int dimension : dimensions) {
      file.putInt(dimension);
    }
    return file.array();
  }

  private static String tableText() {
    StringBuilder text = new StringBuilder("number,\"a \"\"text\"\"\",class\n");
    for (int i = 0; i < 20; i++) {
      text.append(i / 4.0).append(",\"").append(i % 3).append(",\n\",").append(i % 2).append('\n');
    }
    return text.toString();
  }

  /** Makes batches anew, whatever was done to them. */
  void renew() {
    close();
    batches = batchesBuilder().build();
  }

  /** Returns what a reader takes. */
  List<Path> files() {
    return List.of(cifar, images, labels, csv, classes);
  }

  /** Returns data sets of a class, or all if that is an abstract one. */
  List<Dataset> datasets(Class<?> type) {
    return datasets.stream().filter(type::isInstance).toList();
  }

  Path tableFile() {
    return tableFile;
  }

  Table table() {
    return table;
  }

  TableColumns columns() {
    return columns;
  }

  Digits digits() {
    return digits;
  }

  /** Looks at the image folder again. */
  FolderInspection inspection() {
    return FolderInspection.of(classes, 1);
  }

  DatasetBatches batches() {
    return batches;
  }

  /** Starts a data set that can be opened as it is. */
  CsvDataset.Builder csv() {
    return CsvDataset.builder(csv, SHAPE);
  }

  /** Starts a data set that can be opened as it is. */
  ImageFolder.Builder imageFolder() {
    return ImageFolder.builder(classes, SHAPE);
  }

  /** Starts batches that can be built as they are. */
  DatasetBatches.Builder batchesBuilder() {
    return DatasetBatches.builder(datasets.get(2)).size(3).augmentation(Augmentation.shift(1));
  }

  @Override
  public void close() {
    if (batches != null) {
      batches.close();
    }
  }
}
