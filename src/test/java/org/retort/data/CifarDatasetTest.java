package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;

final class CifarDatasetTest {
  private static final int PIXELS = 3 * 32 * 32;

  @TempDir private Path folder;

  private final Random random = new Random(1);

  @Test
  void cifar10_files_areReadAsWritten() throws IOException {
    byte[] first = images(3, 1, 10);
    byte[] second = images(2, 1, 10);
    CifarDataset data = CifarDataset.cifar10(write("a.bin", first), write("b.bin", second));
    assertThat(data.size()).isEqualTo(5);
    assertThat(data.classes()).isEqualTo(10);
    assertThat(data.shape()).isEqualTo(new ImageShape(3, 32, 32));
    for (int i = 0; i < 5; i++) {
      assertImage(data, i, i < 3 ? first : second, (i < 3 ? i : i - 3) * (1 + PIXELS), 1);
    }
  }

  @Test
  void cifar100_file_hasFineLabels() throws IOException {
    byte[] content = images(4, 2, 100);
    CifarDataset data = CifarDataset.cifar100(write("train.bin", content));
    assertThat(data.size()).isEqualTo(4);
    assertThat(data.classes()).isEqualTo(100);
    for (int i = 0; i < 4; i++) {
      assertImage(data, i, content, i * (2 + PIXELS), 2);
    }
  }

  @Test
  void classNames_fileBesideTheFirst_areRead() throws IOException {
    Path file = write("data_batch_1.bin", images(1, 1, 10));
    assertThat(CifarDataset.cifar10(file).classNames()).isEmpty();
    Files.writeString(
        folder.resolve("batches.meta.txt"),
        IntStream.range(0, 10).mapToObj(i -> "name" + i + "\n").collect(Collectors.joining())
            + "\n");
    assertThat(CifarDataset.cifar10(file).classNames()).hasSize(10).contains("name3");
    Files.writeString(folder.resolve("batches.meta.txt"), "cat\n");
    assertThatThrownBy(() -> CifarDataset.cifar10(file))
        .hasMessage(
            "CifarDataset.cifar10: the lines of %s must be 10 names (got 1)",
            folder.resolve("batches.meta.txt"));
  }

  @Test
  void cifar10_damagedFile_namesFileAndOffset() throws IOException {
    byte[] content = images(3, 1, 10);
    Path cut = write("cut.bin", Arrays.copyOf(content, 5000));
    assertThatThrownBy(() -> CifarDataset.cifar10(cut))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(
            "CifarDataset.cifar10: the file of %s must be whole images of 3073 bytes (got its end"
                + " at byte 5000, within image 1)",
            cut);
    Path empty = write("empty.bin", new byte[0]);
    assertThatThrownBy(() -> CifarDataset.cifar10(empty)).hasMessageContaining("byte 0");
    content[2 * 3073] = (byte) 200;
    Path wrong = write("wrong.bin", content);
    assertThatThrownBy(() -> CifarDataset.cifar10(wrong))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(
            "CifarDataset.cifar10: the class at byte 6146 of %s must be between 0 and 9 (got 200)",
            wrong);
    content[2 * 3073] = 10;
    Path tenth = write("tenth.bin", content);
    assertThatThrownBy(() -> CifarDataset.cifar10(tenth)).hasMessageContaining("(got 10)");
  }

  @Test
  void arguments_outOfRange_throw() throws IOException {
    assertThatThrownBy(() -> CifarDataset.cifar10())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("CifarDataset.cifar10: files.length must be at least 1 (got 0)");
    assertThatThrownBy(() -> CifarDataset.cifar100(folder.resolve("none.bin")))
        .isInstanceOf(FileException.class)
        .hasMessage("CifarDataset.cifar100: file must exist (got %s)", folder.resolve("none.bin"));
    CifarDataset data = CifarDataset.cifar10(write("a.bin", images(3, 1, 10)));
    Values.assertOthersRejected("CifarDataset", data);
  }

  private static void assertImage(
      CifarDataset data, int index, byte[] content, int record, int labelBytes) {
    assertThat(data.label(index)).isEqualTo(content[record + labelBytes - 1]);
    float[] values = Values.of(data, index);
    for (int i = 0; i < PIXELS; i++) {
      assertThat(values[i]).isEqualTo((content[record + labelBytes + i] & 0xff) / 255f);
    }
  }

  private byte[] images(int count, int labelBytes, int classes) {
    byte[] content = new byte[count * (labelBytes + PIXELS)];
    random.nextBytes(content);
    for (int i = 0; i < count; i++) {
      content[i * (labelBytes + PIXELS) + labelBytes - 1] = (byte) random.nextInt(classes);
    }
    return content;
  }

  private Path write(String name, byte[] content) throws IOException {
    return Files.write(folder.resolve(name), content);
  }
}
