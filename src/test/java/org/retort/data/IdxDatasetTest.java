package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;

final class IdxDatasetTest {
  private static final byte[] LABELS = {3, 0, 5, 1};

  @TempDir private Path folder;

  private final byte[] pixels = randomBytes(4 * 5 * 3);

  @Test
  void open_plainAndCompressed_areReadAsWritten() throws IOException {
    byte[] images = idx(pixels, 4, 5, 3);
    byte[] labels = idx(LABELS, 4);
    for (IdxDataset data :
        new IdxDataset[] {
          IdxDataset.open(write("images", images), write("labels", labels)),
          IdxDataset.open(write("images.gz", gzip(images)), write("labels.gz", gzip(labels)))
        }) {
      assertThat(data.size()).isEqualTo(4);
      assertThat(data.classes()).isEqualTo(6);
      assertThat(data.shape()).isEqualTo(new ImageShape(1, 5, 3));
      assertThat(data.classNames()).isEmpty();
      Values.assertOthersRejected("IdxDataset", data);
      for (int i = 0; i < 4; i++) {
        assertThat(data.label(i)).isEqualTo(LABELS[i]);
        float[] values = Values.of(data, i);
        for (int p = 0; p < 15; p++) {
          assertThat(values[p]).isEqualTo((pixels[i * 15 + p] & 0xff) / 255f);
        }
      }
    }
  }

  @Test
  void open_numberOfClasses_isThatGiven() throws IOException {
    Path images = write("images", idx(pixels, 4, 5, 3));
    Path labels = write("labels", idx(LABELS, 4));
    assertThat(IdxDataset.open(images, labels, 62).classes()).isEqualTo(62);
    assertThatThrownBy(() -> IdxDataset.open(images, labels, 5))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(
            "IdxDataset.open: the class at byte 10 of %s must be between 0 and 4 (got 5)", labels);
    assertThatThrownBy(() -> IdxDataset.open(images, labels, 257))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("IdxDataset.open: classes must be between 1 and 256 (got 257)");
  }

  @Test
  void open_damagedHeader_namesFileAndOffset() throws IOException {
    byte[] images = idx(pixels, 4, 5, 3);
    assertBadImages(
        with(images, 0, 0x0801), "the type at byte 0 of %s must be 0x00000803", "0x00000801");
    assertBadImages(
        with(images, 4, -1), "dimension 0 at byte 4 of %s must be positive", "4294967295");
    assertBadImages(with(images, 12, 0), "dimension 2 at byte 12 of %s must be positive", "0");
    assertBadImages(
        with(images, 8, 1 << 30),
        "dimension 1 at byte 8 of %s must be positive and make",
        "1073741824");
    assertBadImages(with(images, 4, 5), "the file of %s must have 91 bytes", "its end at byte 76");
    assertBadImages(Arrays.copyOf(images, 7), "the file of %s must have 16 bytes", "byte 7");
    assertBadImages(Arrays.copyOf(images, 70), "the file of %s must have 76 bytes", "byte 70");
    assertBadImages(Arrays.copyOf(images, 80), "the file of %s must end at byte 76", "");
    assertBadImages(with(images, 4, 3), "the file of %s must end at byte 61", "");
  }

  @Test
  void open_hugeCountInSmallCompressedFile_isRefusedBeforeMemoryIsTaken() throws IOException {
    Path images = write("images.gz", gzip(with(idx(pixels, 4, 5, 3), 4, 100_000_000)));
    Path labels = write("labels", idx(LABELS, 4));
    assertThatThrownBy(() -> IdxDataset.open(images, labels))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("the header of %s must announce at most", images)
        .hasMessageContaining("got 1500000016");
  }

  @Test
  void open_cutGzipFile_namesIt() throws IOException {
    byte[] whole = gzip(idx(pixels, 4, 5, 3));
    Path labels = write("labels", idx(LABELS, 4));
    for (int length : new int[] {12, 40, whole.length - 9}) {
      Path images = write("images.gz", Arrays.copyOf(whole, length));
      assertThatThrownBy(() -> IdxDataset.open(images, labels))
          .isInstanceOf(FileException.class)
          .hasMessageContaining(images.toString());
    }
  }

  @Test
  void open_otherNumberOfLabels_namesBothFiles() throws IOException {
    Path images = write("images", idx(pixels, 4, 5, 3));
    Path labels = write("labels", idx(Arrays.copyOf(LABELS, 3), 3));
    assertThatThrownBy(() -> IdxDataset.open(images, labels))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(
            "the count at byte 4 of %s must be that of the images in %s, 4 (got 3)",
            labels, images);
  }

  @Test
  void open_missingFile_throws() throws IOException {
    Path images = write("images", idx(pixels, 4, 5, 3));
    Path none = folder.resolve("none");
    assertThatThrownBy(() -> IdxDataset.open(images, none))
        .isInstanceOf(FileException.class)
        .hasMessage("IdxDataset.open: file must exist (got %s)", none);
    assertThatThrownBy(() -> IdxDataset.open(null, images))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("IdxDataset.open: file must be given (got null)");
  }

  /** Debian's package dataset-fashion-mnist, or the folder that a property names. */
  @Test
  void open_fashionMnist_isThatOfThePaper() {
    Path data =
        Path.of(System.getProperty("retort.fashion-mnist", "/usr/share/datasets/fashion-mnist"));
    assumeTrue(Files.isDirectory(data), "no Fashion-MNIST in " + data);
    IdxDataset train = open(data, "train");
    IdxDataset test = open(data, "t10k");
    assertThat(train.size()).isEqualTo(60_000);
    assertThat(test.size()).isEqualTo(10_000);
    for (IdxDataset part : new IdxDataset[] {train, test}) {
      assertThat(part.classes()).isEqualTo(10);
      assertThat(part.shape()).isEqualTo(new ImageShape(1, 28, 28));
      long[] counts = new long[10];
      IntStream.range(0, part.size()).forEach(i -> counts[part.label(i)]++);
      assertThat(counts).containsOnly(part.size() / 10);
    }
    // The first training image is an ankle boot; mean and deviation of all pixels are well known.
    assertThat(train.label(0)).isEqualTo(9);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < train.size(); i++) {
      for (float value : Values.of(train, i)) {
        sum += value;
        squares += value * value;
      }
    }
    double count = train.size() * 784.0;
    double mean = sum / count;
    assertThat(mean).isBetween(0.28595, 0.28605);
    assertThat(Math.sqrt(squares / count - mean * mean)).isBetween(0.3525, 0.3535);
  }

  private static IdxDataset open(Path folder, String part) {
    return IdxDataset.open(
        folder.resolve(part + "-images-idx3-ubyte.gz"),
        folder.resolve(part + "-labels-idx1-ubyte.gz"));
  }

  private void assertBadImages(byte[] content, String rule, String got) throws IOException {
    Path labels = write("labels", idx(LABELS, 4));
    for (boolean compressed : new boolean[] {false, true}) {
      Path images = write("images", compressed ? gzip(content) : content);
      assertThatThrownBy(() -> IdxDataset.open(images, labels))
          .isInstanceOf(FileException.class)
          .hasMessageContaining("IdxDataset.open: " + rule, images)
          .hasMessageContaining(got);
    }
  }

  private static byte[] randomBytes(int count) {
    byte[] bytes = new byte[count];
    new Random(1).nextBytes(bytes);
    return bytes;
  }

  private static byte[] idx(byte[] content, int... dimensions) {
    ByteBuffer file = ByteBuffer.allocate(4 + 4 * dimensions.length + content.length);
    file.putInt(0x0800 | dimensions.length);
    IntStream.of(dimensions).forEach(file::putInt);
    return file.put(content).array();
  }

  private static byte[] with(byte[] content, int offset, int value) {
    return ByteBuffer.wrap(content.clone()).putInt(offset, value).array();
  }

  private static byte[] gzip(byte[] content) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(bytes)) {
      out.write(content);
    }
    return bytes.toByteArray();
  }

  private Path write(String name, byte[] content) throws IOException {
    return Files.write(folder.resolve(name), content);
  }
}
