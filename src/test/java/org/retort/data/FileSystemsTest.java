package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.FileException;

/** Data are read from any file system and under any name. */
final class FileSystemsTest {
  private static final String NAME = "Größe 3 – 写真";

  @TempDir private Path folder;
  private FileSystem zip;

  @BeforeEach
  void makeZip() throws IOException {
    zip = FileSystems.newFileSystem(folder.resolve("data.zip"), Map.of("create", "true"));
  }

  @AfterEach
  void closeZip() throws IOException {
    zip.close();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void open_cifarFile_isRead(boolean zipped) throws IOException {
    Path file = write(place(zipped).resolve(NAME + ".bin"), random(2 * 3073));
    Files.writeString(file.resolveSibling("batches.meta.txt"), "ä\n".repeat(10));
    CifarDataset data = CifarDataset.cifar10(file);
    assertThat(data.classNames()).hasSize(10).containsOnly("ä");
    assertThat(Values.of(data, 1)).isEqualTo(scaled(random(2 * 3073), 3074, 3072));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void open_idxFiles_areRead(boolean zipped) throws IOException {
    byte[] labels = {0, 0, 8, 1, 0, 0, 0, 2, 1, 0};
    byte[] images = ByteBuffer.allocate(16 + 2 * 6).putInt(0x803).putInt(2).putInt(2).array();
    images[15] = 3;
    System.arraycopy(random(12), 0, images, 16, 12);
    Path place = place(zipped);
    IdxDataset data =
        IdxDataset.open(
            write(place.resolve(NAME), images), write(place.resolve(NAME + " 1"), labels));
    assertThat(data.label(0)).isOne();
    assertThat(Values.of(data, 1)).isEqualTo(scaled(images, 22, 6));
    IdxDataset compressed =
        IdxDataset.open(
            compress(place.resolve(NAME + ".gz"), images),
            compress(place.resolve(NAME + " 1.gz"), labels));
    assertThat(Values.of(compressed, 1)).isEqualTo(scaled(images, 22, 6));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void open_csvFile_isRead(boolean zipped) throws IOException {
    byte[] lines = "1,0,255,51,102\n".getBytes();
    ImageShape shape = new ImageShape(1, 2, 2);
    Path plain = write(place(zipped).resolve(NAME), lines);
    Path compressed = compress(place(zipped).resolve(NAME + ".gz"), lines);
    for (Path file : new Path[] {plain, compressed}) {
      CsvDataset data = CsvDataset.builder(file, shape).open();
      assertThat(Values.of(data, 0)).containsExactly(0, 1, 0.2f, 0.4f);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void open_imageFolder_isRead(boolean zipped) throws IOException {
    Path place = place(zipped);
    BufferedImage image = new BufferedImage(1, 1, BufferedImage.TYPE_INT_RGB);
    image.setRGB(0, 0, 0xff3300);
    for (String name : new String[] {"b", NAME}) {
      Path file = Files.createDirectories(place.resolve(name)).resolve(NAME + ".png");
      try (OutputStream out = Files.newOutputStream(file)) {
        ImageIO.write(image, "png", out);
      }
    }
    ImageFolder data = ImageFolder.open(place, new ImageShape(3, 1, 1));
    assertThat(data.classNames()).containsExactly(NAME, "b");
    assertThat(data.file(1)).isEqualTo(place.resolve("b").resolve(NAME + ".png"));
    assertThat(Values.of(data, 0)).containsExactly(1, 0.2f, 0);
    assertThat(ImageFolder.open(place.toAbsolutePath(), data.shape()).size()).isEqualTo(2);
  }

  @Test
  void open_rootOfAFileSystem_isAFolder() throws IOException {
    Path file = Files.createDirectory(zip.getPath("/class")).resolve("image.png");
    try (OutputStream out = Files.newOutputStream(file)) {
      ImageIO.write(new BufferedImage(2, 2, BufferedImage.TYPE_INT_RGB), "png", out);
    }
    ImageFolder data = ImageFolder.open(zip.getPath("/"), new ImageShape(1, 2, 2));
    assertThat(data.classNames()).containsExactly("class");
    assertThat(Values.of(data, 0)).containsOnly(0);
  }

  @Test
  void open_missingFileInAZip_isNamed() {
    Path none = zip.getPath("/no ne.csv");
    assertThatThrownBy(() -> CifarDataset.cifar10(none))
        .isInstanceOf(FileException.class)
        .hasMessage("CifarDataset.cifar10: file must exist (got /no ne.csv)");
    assertThatThrownBy(() -> ImageFolder.open(none, new ImageShape(3, 1, 1)))
        .isInstanceOf(FileException.class)
        .hasMessage("ImageFolder.open: folder must exist (got /no ne.csv)");
  }

  @Test
  void open_folderInPlaceOfAFileOrViceVersa_isRefused() throws IOException {
    Path file = Files.write(folder.resolve("file"), new byte[1]);
    assertThatThrownBy(() -> CifarDataset.cifar100(folder))
        .isInstanceOf(FileException.class)
        .hasMessage("CifarDataset.cifar100: file must be a regular file (got %s)", folder);
    assertThatThrownBy(() -> ImageFolder.open(file, new ImageShape(3, 1, 1)))
        .isInstanceOf(FileException.class)
        .hasMessage("ImageFolder.open: folder must be a directory (got %s)", file);
  }

  /** A folder with a name that is not plain, on the disk or in a zip file. */
  private Path place(boolean zipped) throws IOException {
    String encoding = System.getProperty("sun.jnu.encoding");
    assumeTrue(
        zipped || Charset.forName(encoding).newEncoder().canEncode(NAME),
        "no such names in " + encoding);
    Path place = zipped ? zip.getPath("/" + NAME) : folder.resolve(NAME);
    return Files.createDirectories(place);
  }

  private static byte[] random(int count) {
    byte[] bytes = new byte[count];
    new Random(1).nextBytes(bytes);
    for (int i = 0; i < count; i += 3073) {
      bytes[i] = 7;
    }
    return bytes;
  }

  private static float[] scaled(byte[] bytes, int offset, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (bytes[offset + i] & 0xff) / 255f;
    }
    return values;
  }

  private static Path write(Path file, byte[] content) throws IOException {
    return Files.write(file, content);
  }

  private static Path compress(Path file, byte[] content) throws IOException {
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
      out.write(content);
    }
    return file;
  }
}
