package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.IntBinaryOperator;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;

final class ImageFolderTest {
  @TempDir private Path folder;

  @Test
  void open_folders_areClassesInOrderOfTheirNames() throws IOException {
    write("dog/b.png", 2, 2, (x, y) -> 0);
    write("dog/a.JPG", 2, 2, (x, y) -> 0);
    write("cat/z.jpeg", 2, 2, (x, y) -> 0);
    write(".hidden/a.png", 2, 2, (x, y) -> 0);
    write("dog/.hidden.png", 2, 2, (x, y) -> 0);
    Files.writeString(folder.resolve("dog/notes.txt"), "no image");
    Files.writeString(folder.resolve("notes.txt"), "no class");
    ImageFolder data = ImageFolder.open(folder, new ImageShape(3, 2, 2));
    assertThat(data.classNames()).containsExactly("cat", "dog");
    assertThat(data.classes()).isEqualTo(2);
    assertThat(data.size()).isEqualTo(3);
    assertThat(new int[] {data.label(0), data.label(1), data.label(2)}).containsExactly(0, 1, 1);
    assertThat(data.file(1)).isEqualTo(folder.resolve("dog/a.JPG"));
    assertThat(data.file(2)).isEqualTo(folder.resolve("dog/b.png"));
  }

  @Test
  void read_imageOfTheShape_isThatOfTheFile() throws IOException {
    write("a/image.png", 3, 2, (x, y) -> 0x102030 * (x + 1) + 7 * y);
    float[] values = read(new ImageShape(3, 2, 3));
    for (int y = 0; y < 2; y++) {
      for (int x = 0; x < 3; x++) {
        int pixel = 0x102030 * (x + 1) + 7 * y;
        assertThat(values[y * 3 + x]).isEqualTo((pixel >> 16) / 255f);
        assertThat(values[6 + y * 3 + x]).isEqualTo((pixel >> 8 & 0xff) / 255f);
        assertThat(values[12 + y * 3 + x]).isEqualTo((pixel & 0xff) / 255f);
      }
    }
  }

  @Test
  void read_oneChannel_isGrey() throws IOException {
    write("a/image.png", 2, 1, (x, y) -> x == 0 ? 0xff0000 : 0x00ff80);
    float[] values = read(new ImageShape(1, 1, 2));
    assertThat(values[0]).isEqualTo(76 / 255f);
    assertThat(values[1]).isEqualTo(164 / 255f);
  }

  @Test
  void read_greyFile_keepsItsValues() throws IOException {
    for (int type : new int[] {BufferedImage.TYPE_BYTE_GRAY, BufferedImage.TYPE_USHORT_GRAY}) {
      BufferedImage grey = new BufferedImage(4, 1, type);
      int unit = type == BufferedImage.TYPE_BYTE_GRAY ? 1 : 257;
      for (int x = 0; x < 4; x++) {
        grey.getRaster().setSample(x, 0, 0, 50 * x * unit);
      }
      Files.createDirectories(folder.resolve("a"));
      ImageIO.write(grey, "png", folder.resolve("a/image.png").toFile());
      for (int channels : new int[] {1, 3}) {
        float[] values = read(new ImageShape(channels, 1, 4));
        for (int x = 0; x < values.length; x++) {
          assertThat(values[x]).isCloseTo(50 * (x % 4) / 255f, within(1e-6f));
        }
      }
    }
  }

  @Test
  void read_transparentImage_keepsItsColors() throws IOException {
    BufferedImage image = new BufferedImage(1, 1, BufferedImage.TYPE_INT_ARGB);
    image.setRGB(0, 0, 0x40ff8000);
    Files.createDirectories(folder.resolve("a"));
    ImageIO.write(image, "png", folder.resolve("a/image.png").toFile());
    assertThat(read(new ImageShape(3, 1, 1))).containsExactly(1, 128 / 255f, 0);
  }

  @Test
  void read_wideImage_isCroppedAroundItsCentre() throws IOException {
    // The middle four of eight columns are green.
    write("a/image.png", 8, 4, (x, y) -> x >= 2 && x < 6 ? 0x00ff00 : 0xff0000);
    float[] values = read(new ImageShape(3, 4, 4));
    assertThat(Arrays.copyOfRange(values, 0, 16)).containsOnly(0);
    assertThat(Arrays.copyOfRange(values, 16, 32)).containsOnly(1);
  }

  @Test
  void read_muchLargerImage_isAveraged() throws IOException {
    // A pattern of single columns that picking pixels would turn black or white.
    write("a/image.png", 64, 64, (x, y) -> x % 2 == 0 ? 0xffffff : 0);
    for (float value : read(new ImageShape(1, 8, 8))) {
      assertThat(value).isBetween(0.48f, 0.52f);
    }
  }

  @Test
  void read_tallAndSmallerImage_isScaled() throws IOException {
    write("a/image.png", 3, 5, (x, y) -> 0x336699);
    float[] values = read(new ImageShape(3, 7, 9));
    assertThat(Arrays.copyOfRange(values, 0, 63)).containsOnly(0x33 / 255f);
    assertThat(Arrays.copyOfRange(values, 63, 126)).containsOnly(0x66 / 255f);
    assertThat(Arrays.copyOfRange(values, 126, 189)).containsOnly(0x99 / 255f);
  }

  @Test
  void read_jpeg_isCloseToItsColor() throws IOException {
    write("a/image.jpg", 16, 16, (x, y) -> 0x3366cc);
    float[] values = read(new ImageShape(3, 16, 16));
    assertThat(values[5]).isCloseTo(0x33 / 255f, within(0.02f));
    assertThat(values[256 + 5]).isCloseTo(0x66 / 255f, within(0.02f));
    assertThat(values[512 + 5]).isCloseTo(0xcc / 255f, within(0.02f));
  }

  @Test
  void read_damagedFile_namesFileAndOffset() throws IOException {
    for (String name : new String[] {"a/image.png", "a/image.jpg"}) {
      write(name, 64, 64, (x, y) -> x * y * 77);
      Path file = folder.resolve(name);
      byte[] whole = Files.readAllBytes(file);
      Files.write(file, Arrays.copyOf(whole, whole.length / 2));
      assertUnreadable(file, "must be whole");
      Files.write(file, new byte[] {1, 2, 3});
      assertUnreadable(
          file, "the content at byte 0 of " + file + " must be a JPEG, PNG or WebP image");
      Files.delete(file);
    }
  }

  @Test
  void read_fileThatIsGone_namesIt() throws IOException {
    write("a/image.png", 2, 2, (x, y) -> 0);
    ImageFolder data = ImageFolder.open(folder, new ImageShape(3, 2, 2));
    Files.delete(folder.resolve("a/image.png"));
    assertThatThrownBy(() -> data.read(0, FloatBuffer.allocate(12)))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(folder.resolve("a/image.png") + " must be readable");
  }

  @Test
  void open_badArguments_throw() throws IOException {
    ImageShape shape = new ImageShape(3, 2, 2);
    assertThatThrownBy(() -> ImageFolder.open(folder.resolve("none"), shape))
        .isInstanceOf(FileException.class)
        .hasMessage("ImageFolder.open: folder must exist (got %s)", folder.resolve("none"));
    assertThatThrownBy(() -> ImageFolder.open(folder, shape))
        .isInstanceOf(FileException.class)
        .hasMessage(
            "ImageFolder.open: folder must have a folder for each class (got none in %s)", folder);
    Files.createDirectories(folder.resolve("a"));
    assertThatThrownBy(() -> ImageFolder.open(folder, shape))
        .isInstanceOf(FileException.class)
        .hasMessage(
            "ImageFolder.open: folder of a class must have JPEG or PNG files (got none in %s)",
            folder.resolve("a"));
    assertThatThrownBy(() -> ImageFolder.open(folder, new ImageShape(2, 2, 2)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("ImageFolder.open: shape.channels must be 1 or 3 (got 2)");
  }

  private void assertUnreadable(Path file, String rule) {
    ImageFolder data = ImageFolder.open(folder, new ImageShape(3, 8, 8));
    assertThatThrownBy(() -> data.read(0, FloatBuffer.allocate(192)))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("ImageFolder.read: ")
        .hasMessageContaining("at byte ")
        .hasMessageContaining(file.toString())
        .hasMessageContaining(rule);
  }

  private float[] read(ImageShape shape) {
    return Values.of(ImageFolder.open(folder, shape), 0);
  }

  private void write(String name, int width, int height, IntBinaryOperator rgb) throws IOException {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        image.setRGB(x, y, rgb.applyAsInt(x, y));
      }
    }
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    ImageIO.write(image, name.endsWith("png") ? "png" : "jpg", file.toFile());
  }
}
