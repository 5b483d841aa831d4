package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.IntBinaryOperator;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
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
    Values.assertOthersRejected("ImageFolder", data);
    assertIllegal(() -> data.file(3), "ImageFolder.file: index must be between 0 and 2 (got 3)");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1025})
  void threads_outOfRange_areRejected(int threads) {
    ImageFolder.Builder builder = builder();
    assertIllegal(
        () -> builder.threads(threads),
        "ImageFolder.Builder.threads: count must be between 1 and 1024 (got " + threads + ")");
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
  void read_fileThatChanged_namesIt() throws IOException {
    write("a/image.png", 2, 2, (x, y) -> 0);
    Path file = folder.resolve("a/image.png");
    ImageFolder data = ImageFolder.open(folder, new ImageShape(3, 2, 2));
    FileTime before = Files.getLastModifiedTime(file);
    String rule = "ImageFolder.read: %s must stay as it was when its folder was opened (got %s)";
    FloatBuffer image = FloatBuffer.allocate(12);
    data.read(0, image);
    Files.setLastModifiedTime(file, FileTime.fromMillis(before.toMillis() + 5000));
    assertFileRefused(
        () -> data.read(0, image.clear()), rule.formatted(file, "another size or time of change"));
    Files.write(file, new byte[1], StandardOpenOption.APPEND);
    Files.setLastModifiedTime(file, before);
    assertFileRefused(
        () -> data.read(0, image.clear()), rule.formatted(file, "another size or time of change"));
    Files.delete(file);
    assertFileRefused(
        () -> data.read(0, image.clear()), rule.formatted(file, "no such file any more"));
    assertThat(image.position()).isZero();
  }

  @Test
  void withShape_sameFiles_areOfAnotherShape() throws IOException {
    write("a/1.png", 20, 10, (x, y) -> 0xff0000 + 9 * x);
    write("b/1.png", 10, 20, (x, y) -> 0x0000ff + 0x900 * y);
    Files.write(folder.resolve("b/2.png"), new byte[100]);
    ImageFolder small =
        ImageFolder.builder(folder, new ImageShape(3, 4, 4))
            .resize(8)
            .broken(BrokenFiles.SKIP)
            .open();
    ImageFolder large = small.withShape(new ImageShape(3, 8, 8));
    assertThat(large.size()).isEqualTo(2);
    assertThat(large.classNames()).isEqualTo(small.classNames());
    assertThat(large.brokenFiles()).isEqualTo(small.brokenFiles());
    for (int i = 0; i < 2; i++) {
      assertThat(large.file(i)).isEqualTo(small.file(i));
      assertThat(large.label(i)).isEqualTo(small.label(i));
      assertThat(Values.of(large, i))
          .isEqualTo(PictureReader.of(large.shape()).withResize(8).read(large.file(i)));
    }
    assertThatThrownBy(() -> small.withShape(new ImageShape(3, 9, 9)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("ImageFolder.withShape: ");
  }

  @Test
  void classes_given_areTheLabels() throws IOException {
    write("c/a.png", 2, 2, (x, y) -> 0);
    write("a/a.png", 2, 2, (x, y) -> 0);
    write("a/b.png", 2, 2, (x, y) -> 0);
    Files.createDirectories(folder.resolve("ö"));
    ImageFolder data = builder().classes(List.of("c", "b", "a", "o\u0308")).open();
    assertThat(data.classNames()).containsExactly("c", "b", "a", "o\u0308");
    assertThat(data.classes()).isEqualTo(4);
    assertThat(data.size()).isEqualTo(3);
    assertThat(new int[] {data.label(0), data.label(1), data.label(2)}).containsExactly(0, 2, 2);
    assertThat(data.file(2)).isEqualTo(folder.resolve("a/b.png"));
  }

  @Test
  void classes_folderOfNone_isNamed() throws IOException {
    write("dog/a.png", 2, 2, (x, y) -> 0);
    write("Horse/a.png", 2, 2, (x, y) -> 0);
    String rule =
        "ImageFolder.Builder.open: folder of a class must be one of the 3 classes given (got %s%s)";
    assertFileRefused(
        () -> builder().classes(List.of("dog", "horse", "cat")).open(),
        rule.formatted(folder.resolve("Horse"), ", did you mean horse?"));
    assertFileRefused(
        () -> builder().classes(List.of("dog", "zebra", "cat")).open(),
        rule.formatted(folder.resolve("Horse"), ""));
  }

  @Test
  void classes_wrongLists_throw() throws IOException {
    String function = "ImageFolder.Builder.classes: ";
    assertIllegal(() -> builder().classes(null), function + "names must be given (got null)");
    assertIllegal(
        () -> builder().classes(List.of()), function + "names.size() must be at least 1 (got 0)");
    assertIllegal(
        () -> builder().classes(List.of("a", "B", "b")),
        function + "names must not repeat one, whatever its case (got b twice)");
    assertFileRefused(
        () -> builder().classes(List.of("a")).open(),
        "ImageFolder.Builder.open: folder must have a folder of images for each class (got none in "
            + folder
            + ")");
  }

  @Test
  void resize_shorterSide_isScaledBeforeTheMiddleIsCut() throws IOException {
    write("a/image.png", 60, 40, (x, y) -> x * 0x040000 + y * 0x000600);
    ImageShape shape = new ImageShape(3, 8, 8);
    Path file = folder.resolve("a/image.png");
    ImageFolder data = ImageFolder.builder(folder, shape).resize(20).open();
    assertThat(data.reader()).isEqualTo(new PictureReader(shape, 20));
    assertThat(Values.of(data, 0))
        .isEqualTo(data.reader().read(file))
        .isNotEqualTo(PictureReader.of(shape).read(file));
    assertIllegal(
        () -> ImageFolder.builder(folder, shape).resize(7),
        "ImageFolder.Builder.resize: resize must be 0 or between 8 and 67108864 (got 7)");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void broken_refused_namesTheFirst(int threads) throws IOException {
    writeBroken();
    assertThatThrownBy(() -> builder().broken(BrokenFiles.REFUSE).threads(threads).open())
        .isInstanceOf(FileException.class)
        .hasMessageMatching(
            "ImageFolder.Builder.open: files must be whole images \\(got 4 broken of 8: the content"
                + " at byte 0 of \\S+a/1.png must be [^;]+; the image at byte \\d+ of \\S+a/4.png"
                + " must be whole [^;]+; the content [^;]+; …\\)");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void broken_skipped_areListed(int threads) throws IOException {
    writeBroken();
    ImageFolder data = builder().broken(BrokenFiles.SKIP).threads(threads).open();
    assertThat(data.size()).isEqualTo(4);
    assertThat(new int[] {data.label(0), data.label(1), data.label(2), data.label(3)})
        .containsExactly(0, 0, 1, 1);
    assertThat(data.file(0)).isEqualTo(folder.resolve("a/2.png"));
    assertThat(data.brokenFiles())
        .extracting(ImageFolder.BrokenFile::file)
        .containsExactly(
            folder.resolve("a/1.png"),
            folder.resolve("a/4.png"),
            folder.resolve("b/1.jpg"),
            folder.resolve("b/link.jpg"));
    assertThat(data.brokenFiles().get(3).reason())
        .isEqualTo(folder.resolve("b/link.jpg") + " must exist (got a link to nothing)");
    assertThat(data.brokenFiles().get(0).reason())
        .startsWith("the content at byte 0 of " + folder.resolve("a/1.png") + " must be");
  }

  @Test
  void broken_allOfAClass_isRefusedUnlessClassesAreGiven() throws IOException {
    write("a/1.png", 2, 2, (x, y) -> 0);
    Files.createDirectories(folder.resolve("b"));
    Files.write(folder.resolve("b/1.png"), new byte[5]);
    ImageFolder.Builder options = builder().broken(BrokenFiles.SKIP);
    assertFileRefused(
        options::open,
        "ImageFolder.Builder.open: folder of a class must have images (got none in "
            + folder.resolve("b")
            + ")");
    assertThat(options.classes(List.of("b", "a")).open().label(0)).isOne();
  }

  /** Eight files, of which four are broken. */
  private void writeBroken() throws IOException {
    for (String name : List.of("a/1.png", "a/2.png", "a/3.png", "a/4.png", "b/2.jpg", "b/3.jpg")) {
      write(name, 40, 30, (x, y) -> x * y * 12345);
    }
    Files.write(folder.resolve("a/1.png"), new byte[5]);
    byte[] whole = Files.readAllBytes(folder.resolve("a/4.png"));
    Files.write(folder.resolve("a/4.png"), Arrays.copyOf(whole, whole.length / 2));
    Files.writeString(folder.resolve("b/1.jpg"), "no image");
    Files.createSymbolicLink(folder.resolve("b/link.jpg"), folder.resolve("nothing"));
  }

  @Test
  void open_linkToNothing_isNamed() throws IOException {
    write("a/1.png", 2, 2, (x, y) -> 0);
    Path link = Files.createSymbolicLink(folder.resolve("a/2.png"), folder.resolve("none"));
    ImageShape shape = new ImageShape(3, 2, 2);
    assertFileRefused(
        () -> ImageFolder.open(folder, shape),
        "ImageFolder.open: files must be whole images (got 1 broken of 2: %s must exist (got a link"
                .formatted(link)
            + " to nothing))");
    Files.delete(link);
    Path folderLink = Files.createSymbolicLink(folder.resolve("b"), folder.resolve("none"));
    assertFileRefused(
        () -> ImageFolder.open(folder, shape),
        "ImageFolder.open: folder of a class must exist (got a link to nothing, %s)"
            .formatted(folderLink));
  }

  @Test
  void open_withoutPermission_isNamed() throws IOException {
    write("a/1.png", 2, 2, (x, y) -> 0);
    Path file = folder.resolve("a/1.png");
    Files.setPosixFilePermissions(file, Set.of());
    assumeFalse(Files.isReadable(file), "root may read everything");
    ImageShape shape = new ImageShape(3, 2, 2);
    assertFileRefused(
        () -> ImageFolder.open(folder, shape),
        "ImageFolder.open: files must be whole images (got 1 broken of 1: %s must be readable (got"
                .formatted(file)
            + " no permission))");
    Files.setPosixFilePermissions(file.getParent(), Set.of());
    assertFileRefused(
        () -> ImageFolder.open(folder, shape),
        "ImageFolder.open: folder must be readable (got %s)".formatted(file.getParent()));
    Files.setPosixFilePermissions(file.getParent(), PosixFilePermissions.fromString("rwx------"));
  }

  @Test
  void open_namesAlike_areRefused() throws IOException {
    assertAlike("images of a class", "case and ending", "cat/photo.jpg", "cat/photo.png");
    assertAlike("images of a class", "case and ending", "cat/Photo.png", "cat/photo.png");
    assertAlike("images of a class", "case and ending", "cat/o\u0308.png", "cat/\u00f6.png");
    assertAlike("folders of classes", "case", "Cat/a.png", "cat/b.png");
  }

  private void assertAlike(String what, String ignored, String one, String other)
      throws IOException {
    Path place = Files.createTempDirectory(folder, "alike");
    for (String name : List.of(one, other)) {
      write(place.getFileName() + "/" + name, 2, 2, (x, y) -> 0);
    }
    boolean ofFolders = what.startsWith("folders");
    assertFileRefused(
        () -> ImageFolder.open(place, new ImageShape(3, 2, 2)),
        "ImageFolder.open: %s must have different names, whatever their %s (got %s and %s)"
            .formatted(
                what,
                ignored,
                place.resolve(ofFolders ? "Cat" : one),
                place.resolve(ofFolders ? "cat" : other)));
  }

  @Test
  void otherFiles_areCounted() throws IOException {
    write("a/1.png", 2, 2, (x, y) -> 0);
    write("a/.2.png", 2, 2, (x, y) -> 0);
    write("a/nested/3.png", 2, 2, (x, y) -> 0);
    Files.createDirectories(folder.resolve("a/folder.png"));
    Files.writeString(folder.resolve("a/notes.txt"), "");
    Files.writeString(folder.resolve("list.txt"), "");
    Files.createDirectories(folder.resolve(".git"));
    ImageFolder data = ImageFolder.open(folder, new ImageShape(3, 2, 2));
    assertThat(data.size()).isOne();
    assertThat(data.otherFiles()).isEqualTo(6);
    assertThat(data.brokenFiles()).isEmpty();
  }

  @Test
  void open_webp_isRead() throws IOException, URISyntaxException {
    Path file = Files.createDirectories(folder.resolve("a")).resolve("image.WEBP");
    Files.copy(PictureTest.file("turned.webp"), file);
    ImageShape shape = new ImageShape(3, 8, 16);
    assertThat(Values.of(ImageFolder.open(folder, shape), 0))
        .isEqualTo(PictureReader.of(shape).read(file));
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
            "ImageFolder.open: folder must have a folder of images for each class (got none in %s)",
            folder);
    Files.createDirectories(folder.resolve("a"));
    assertThatThrownBy(() -> ImageFolder.open(folder, shape))
        .isInstanceOf(FileException.class)
        .hasMessage(
            "ImageFolder.open: folder of a class must have images (got none in %s)",
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

  private ImageFolder.Builder builder() {
    return ImageFolder.builder(folder, new ImageShape(3, 2, 2));
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
