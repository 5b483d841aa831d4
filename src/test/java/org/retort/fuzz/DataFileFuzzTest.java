package org.retort.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.function.Function;
import java.util.zip.GZIPOutputStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.FileException;
import org.retort.data.CifarDataset;
import org.retort.data.CsvDataset;
import org.retort.data.Dataset;
import org.retort.data.IdxDataset;
import org.retort.data.ImageFolder;
import org.retort.data.ImageShape;
import org.retort.data.PackedDataset;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.data.TableDataset;
import org.retort.data.TableOptions;

/**
 * Reads files of data damaged at random, the same ones every time: they are read, or refused with
 * an exception that names the file in one line.
 */
final class DataFileFuzzTest {
  private static final int TRIES = Integer.getInteger("retort.fuzz.tries", 1000);
  private static final long SEED = Long.getLong("retort.fuzz.seed", 20261125);
  private static final ImageShape SHAPE = new ImageShape(3, 9, 9);

  private final Mutations mutations = new Mutations(new Random(SEED));
  @TempDir private Path folder;
  private DataFixtures data;

  @BeforeEach
  void makeFixtures() throws IOException {
    data = new DataFixtures(folder);
  }

  @Test
  void cifar_damagedAtRandom_isReadOrRefused() throws IOException {
    assertAnyIsReadOrRefused(data.files().get(0), CifarDataset::cifar10);
  }

  @Test
  void idx_damagedAtRandom_isReadOrRefused() throws IOException {
    Path labels = data.files().get(2);
    assertAnyIsReadOrRefused(data.files().get(1), file -> IdxDataset.open(file, labels));
  }

  @Test
  void compressedIdx_damagedAtRandom_isReadOrRefused() throws IOException {
    Path images = data.files().get(1);
    ByteArrayOutputStream compressed = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(compressed)) {
      Files.copy(images, out);
    }
    Files.write(images, compressed.toByteArray());
    Path labels = data.files().get(2);
    assertAnyIsReadOrRefused(images, file -> IdxDataset.open(file, labels));
  }

  @Test
  void csv_damagedAtRandom_isReadOrRefused() throws IOException {
    ImageShape shape = new ImageShape(3, 2, 2);
    assertAnyIsReadOrRefused(data.files().get(3), file -> CsvDataset.builder(file, shape).open());
  }

  @Test
  void table_damagedAtRandom_isReadOrRefused() throws IOException {
    assertAnyIsReadOrRefused(
        data.tableFile(),
        file -> {
          Table table = Table.read(file, TableOptions.of("class"));
          return TableDataset.of(table, table.fit());
        });
    assertAnyIsReadOrRefused(data.tableFile(), file -> TableDataset.open(file, data.columns()));
  }

  @Test
  void columns_damagedAtRandom_areReadOrRefused() throws IOException {
    Path file = folder.resolve("columns.csv");
    assertAnyIsReadOrRefused(
        file,
        damaged -> {
          TableColumns columns = TableColumns.read(damaged);
          assertThat(columns.mean()).hasSize(columns.features());
          return data.datasets(CsvDataset.class).get(0);
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"png", "jpg"})
  void image_damagedAtRandom_isReadOrRefused(String format) throws IOException {
    Path classes = folder.resolve("photos");
    Path file = Files.createDirectories(classes.resolve("one")).resolve("image." + format);
    BufferedImage image = new BufferedImage(12, 10, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < 120; i++) {
      image.setRGB(i % 12, i / 12, i * 77_777);
    }
    ImageIO.write(image, format, file.toFile());
    assertAnyIsReadOrRefused(file, damaged -> ImageFolder.open(classes, SHAPE));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cmyk.jpg",
        "ycc_unmarked_from_0.jpg",
        "palette_transparent.png",
        "rgba.webp",
        "turned_6.jpg",
        "turned.png",
        "turned.webp"
      })
  void rareImage_damagedAtRandom_isReadOrRefused(String name) throws IOException {
    Path classes = folder.resolve("photos");
    Path file = Files.createDirectories(classes.resolve("one")).resolve(name);
    try (InputStream image = ImageFolder.class.getResourceAsStream("pictures/" + name)) {
      Files.copy(image, file);
    }
    assertAnyIsReadOrRefused(file, damaged -> ImageFolder.open(classes, SHAPE));
  }

  @Test
  void packed_damagedAtRandom_isReadOrRefused() throws IOException {
    Dataset source = IdxDataset.open(data.files().get(1), data.files().get(2));
    Path file = folder.resolve("packed.file");
    PackedDataset.open(source, file);
    assertAnyIsReadOrRefused(file, damaged -> PackedDataset.open(source, damaged, 1));
  }

  private void assertAnyIsReadOrRefused(Path file, Function<Path, Dataset> reader)
      throws IOException {
    byte[] whole = Files.readAllBytes(file);
    int refused = 0;
    for (int i = 0; i < TRIES; i++) {
      // A new file each time: one that is mapped must not change.
      Files.delete(file);
      Files.write(file, mutations.of(whole));
      refused += isRead(file, reader) ? 0 : 1;
    }
    assertThat(refused).isPositive();
    Files.delete(file);
    Files.write(file, whole);
    assertThat(isRead(file, reader)).isTrue();
  }

  private static boolean isRead(Path file, Function<Path, Dataset> reader) {
    try {
      Dataset dataset = reader.apply(file);
      FloatBuffer image = FloatBuffer.allocate(dataset.shape().values());
      for (int i = 0; i < dataset.size(); i++) {
        assertThat(dataset.label(i)).isBetween(Dataset.UNLABELED, dataset.classes() - 1);
        dataset.read(i, image.clear());
        assertThat(image.hasRemaining()).isFalse();
      }
      return true;
    } catch (FileException error) {
      assertThat(error.getMessage())
          .hasLineCount(1)
          .contains(file.toString())
          .matches("[^:]+: .+ must .+ \\(got .*\\)");
      return false;
    }
  }
}
