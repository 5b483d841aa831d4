package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.FileException;
import org.retort.testing.Threads;

final class PackedDatasetTest {
  private static final int IMAGES = 7;

  @TempDir private Path folder;
  private Path file;

  @BeforeEach
  void nameFile() {
    file = folder.resolve("images.packed");
  }

  /** A data set of an IDX file, which counts what is read of it. */
  private static class Counted extends ForwardingDataset {
    private final Dataset images;
    final AtomicInteger reads = new AtomicInteger();

    Counted(Dataset images) {
      super(images);
      this.images = images;
    }

    @Override
    public void read(int index, FloatBuffer image) {
      reads.incrementAndGet();
      super.read(index, image);
    }

    @Override
    public List<String> classNames() {
      return images.classNames();
    }

    @Override
    public long fingerprint() {
      return images.fingerprint();
    }
  }

  private IdxDataset idx(int seed) throws IOException {
    byte[] pixels = new byte[IMAGES * 6];
    new Random(seed).nextBytes(pixels);
    byte[] labels = {4, 1, 2, 3, 0, 1, 2};
    Path images = folder.resolve("images" + seed);
    Path classes = folder.resolve("labels" + seed);
    Files.write(
        images,
        ByteBuffer.allocate(16 + pixels.length)
            .putInt(0x803)
            .putInt(IMAGES)
            .putInt(2)
            .putInt(3)
            .put(pixels)
            .array());
    Files.write(
        classes, ByteBuffer.allocate(8 + IMAGES).putInt(0x801).putInt(IMAGES).put(labels).array());
    return IdxDataset.open(images, classes);
  }

  private CifarDataset cifar() throws IOException {
    byte[] bytes = new byte[3 * 3073];
    new Random(5).nextBytes(bytes);
    for (int i = 0; i < bytes.length; i += 3073) {
      bytes[i] = (byte) (i % 10);
    }
    Files.writeString(folder.resolve("batches.meta.txt"), "ä\n".repeat(10));
    return CifarDataset.cifar10(Files.write(folder.resolve("batch.bin"), bytes));
  }

  private ImageFolder photos() throws IOException {
    Random random = new Random(3);
    for (String name : List.of("photos/a/1.png", "photos/a/2.jpg", "photos/b/1.png")) {
      BufferedImage image = new BufferedImage(13, 9, BufferedImage.TYPE_INT_RGB);
      for (int i = 0; i < 13 * 9; i++) {
        image.setRGB(i % 13, i / 13, random.nextInt(1 << 24));
      }
      Path path = folder.resolve(name);
      Files.createDirectories(path.getParent());
      ImageIO.write(image, name.substring(name.length() - 3), path.toFile());
    }
    return ImageFolder.open(folder.resolve("photos"), new ImageShape(3, 8, 8));
  }

  private CsvDataset csv(int maxPixelValue) throws IOException {
    Path lines = Files.writeString(folder.resolve("lines.csv"), "1,0,1,15\n0,7,8,9\n");
    return CsvDataset.builder(lines, new ImageShape(1, 1, 3)).maxPixelValue(maxPixelValue).open();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void open_anySourceOfBytes_hasWhatItHas(int threads) throws IOException {
    List<Dataset> sources =
        List.of(idx(1), cifar(), photos(), csv(255), csv(15), Subset.of(idx(1), 4, 2, 6));
    for (Dataset source : sources) {
      Files.deleteIfExists(file);
      for (int again = 0; again < 2; again++) {
        assertSame(PackedDataset.open(source, file, threads), source);
      }
    }
  }

  private static void assertSame(Dataset packed, Dataset source) {
    assertThat(packed.size()).isEqualTo(source.size());
    assertThat(packed.classes()).isEqualTo(source.classes());
    assertThat(packed.classNames()).isEqualTo(source.classNames());
    assertThat(packed.shape()).isEqualTo(source.shape());
    assertThat(packed.fingerprint()).isEqualTo(source.fingerprint());
    for (int i = 0; i < source.size(); i++) {
      assertThat(packed.label(i)).isEqualTo(source.label(i));
      assertThat(Values.of(packed, i)).isEqualTo(Values.of(source, i));
    }
  }

  @Test
  void open_smallPieces_haveAllImages() throws IOException {
    Dataset source = idx(1);
    for (int pieceBytes : new int[] {1, 6, 12, 13, 18, 41, 42, 43}) {
      assertSame(PackedDataset.open(source, file, 2, pieceBytes), source);
    }
  }

  @Test
  void open_again_readsNothingOfTheSource() throws IOException {
    Counted source = new Counted(idx(1));
    PackedDataset.open(source, file);
    assertThat(source.reads).hasValue(IMAGES);
    byte[] written = Files.readAllBytes(file);
    assertSame(PackedDataset.open(source, file), idx(1));
    assertThat(source.reads).hasValue(IMAGES);
    assertThat(Files.readAllBytes(file)).isEqualTo(written);
    assertOnlyTheFileIsThere();
  }

  @Test
  void open_anotherSource_writesAnew() throws IOException {
    PackedDataset before = PackedDataset.open(idx(1), file);
    assertSame(PackedDataset.open(idx(2), file), idx(2));
    assertSame(PackedDataset.open(cifar(), file), cifar());
    assertSame(before, idx(1)); // whose file lives as long as it is mapped
    assertOnlyTheFileIsThere();
  }

  @Test
  void open_damagedCache_writesAnew() throws IOException {
    Counted source = new Counted(idx(1));
    PackedDataset.open(source, file);
    byte[] whole = Files.readAllBytes(file);
    int header = whole.length - IMAGES * 6;
    for (int at = 8; at < header; at++) {
      byte[] changed = whole.clone();
      changed[at] ^= 1;
      assertWrittenAnew(source, changed, whole);
    }
    for (int size : new int[] {8, 9, header - 1, header, whole.length - 1, whole.length + 1}) {
      assertWrittenAnew(source, Arrays.copyOf(whole, size), whole);
    }
  }

  private void assertWrittenAnew(Counted source, byte[] found, byte[] whole) throws IOException {
    Files.delete(file); // which is mapped
    Files.write(file, found);
    source.reads.set(0);
    PackedDataset.open(source, file);
    assertThat(source.reads).hasValue(IMAGES);
    assertThat(Files.readAllBytes(file)).isEqualTo(whole);
  }

  @Test
  void read_damagedImage_isRefused() throws IOException {
    PackedDataset.open(idx(1), file);
    byte[] whole = Files.readAllBytes(file);
    whole[whole.length - 1] ^= 1;
    Files.delete(file);
    Files.write(file, whole);
    PackedDataset packed = PackedDataset.open(idx(1), file);
    assertThat(Values.of(packed, IMAGES - 2)).isEqualTo(Values.of(idx(1), IMAGES - 2));
    FloatBuffer image = FloatBuffer.allocate(6);
    assertFileRefused(
        () -> packed.read(IMAGES - 1, image),
        "PackedDataset.read: image 6 of %s must be as it was written (got another checksum; delete"
                .formatted(file)
            + " the file)");
    assertThat(image.position()).isZero();
  }

  @Test
  void open_fileOfAnotherKind_isRefusedAndKept() throws IOException {
    for (byte[] foreign : new byte[][] {{}, "RETORT".getBytes(), "a user's document".getBytes()}) {
      Files.write(file, foreign);
      assertFileRefused(
          () -> PackedDataset.open(idx(1), file),
          "PackedDataset.open: the content at byte 0 of %s must be that of a packed data set to be"
                  .formatted(file)
              + " used or replaced (got another)");
      assertThat(Files.readAllBytes(file)).isEqualTo(foreign);
    }
    assertFileRefused(
        () -> PackedDataset.open(idx(1), folder),
        "PackedDataset.open: file must be a regular file (got " + folder + ")");
  }

  @Test
  void open_linkToACache_keepsTheLink() throws IOException {
    PackedDataset.open(idx(1), file);
    Path link = Files.createSymbolicLink(folder.resolve("link"), file);
    assertSame(PackedDataset.open(idx(2), link), idx(2));
    assertThat(link).isSymbolicLink();
    assertSame(PackedDataset.open(idx(2), file), idx(2));
  }

  @Test
  void open_valuesThatAreNoBytes_areRefused() throws IOException {
    Dataset source = csv(16);
    assertIllegal(
        () -> PackedDataset.open(source, file, 1),
        "PackedDataset.open: source must have values that are bytes / 255 (got 0.0625 in image 0)");
    float[] wrong = {-1 / 255f, 256 / 255f, Float.NaN, Float.POSITIVE_INFINITY};
    for (float value : wrong) {
      Dataset other =
          new ForwardingDataset(csv(255)) {
            @Override
            public void read(int index, FloatBuffer image) {
              image.put(0).put(value).put(1);
            }
          };
      assertThatThrownBy(() -> PackedDataset.open(other, file))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("(got " + value + " in image ");
    }
    assertThat(file).doesNotExist();
    assertNothingIsLeft();
  }

  @Test
  void open_sourceThatFails_leavesNoFile() throws IOException {
    ImageFolder photos = photos();
    Files.delete(photos.file(2));
    assertThatThrownBy(() -> PackedDataset.open(photos, file))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith("ImageFolder.read: " + photos.file(2) + " must stay");
    assertThat(file).doesNotExist();
    assertNothingIsLeft();
  }

  @Test
  void open_whereNothingCanBeWritten_isRefused() throws IOException {
    Path none = folder.resolve("none").resolve("images");
    assertFileRefused(
        () -> PackedDataset.open(idx(1), none),
        "PackedDataset.open: " + none + " must be writable (got no such folder)");
    Path inFile = Files.createFile(folder.resolve("plain")).resolve("images");
    assertFileRefused(
        () -> PackedDataset.open(idx(1), inFile),
        "PackedDataset.open: " + inFile + " must be writable (got Not a directory)");
  }

  @Test
  void open_withoutPermission_isRefused() throws IOException {
    Path closed = Files.createDirectory(folder.resolve("closed"));
    Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("r-xr-xr-x"));
    assumeFalse(Files.isWritable(closed), "root may write everywhere");
    Path inClosed = closed.resolve("images");
    assertFileRefused(
        () -> PackedDataset.open(idx(1), inClosed),
        "PackedDataset.open: " + inClosed + " must be writable (got no permission)");
  }

  @Test
  void open_noRoomOnTheDisk_isRefusedBeforeAnythingIsRead() throws IOException {
    Counted huge =
        new Counted(idx(1)) {
          @Override
          public int size() {
            return 1 << 20;
          }

          @Override
          public ImageShape shape() {
            return new ImageShape(3, 10_000, 10_000);
          }

          @Override
          public int label(int index) {
            return 0;
          }
        };
    assertThatThrownBy(() -> PackedDataset.open(huge, file))
        .isInstanceOf(FileException.class)
        .hasMessageMatching(
            "PackedDataset.open: \\S+ must be writable \\(got room for \\d+ of its 3145\\d{11}"
                + " bytes on the disk\\)");
    assertThat(huge.reads).hasValue(0);
    assertNothingIsLeft();
  }

  @Test
  void read_manyThreads_getTheSame() throws Exception {
    Dataset source = photos();
    PackedDataset packed = PackedDataset.open(source, file, 2, 200);
    Threads.Task task =
        () -> {
          for (int i = 0; i < 200; i++) {
            int index = ThreadLocalRandom.current().nextInt(source.size());
            assertThat(Values.of(packed, index)).isEqualTo(Values.of(source, index));
          }
        };
    Threads.runAll(task, task, task, task);
  }

  @Test
  void open_byManyAtOnce_givesEachAWholeFile() throws Exception {
    Dataset source = photos();
    Threads.Task task = () -> assertSame(PackedDataset.open(source, file), source);
    Threads.runAll(task, task, task, task);
    assertNothingIsLeft();
  }

  @Test
  void arguments_outOfRange_throw() throws IOException {
    Dataset source = idx(1);
    assertIllegal(
        () -> PackedDataset.open(null, file),
        "PackedDataset.open: source must be given (got null)");
    assertIllegal(
        () -> PackedDataset.open(source, null),
        "PackedDataset.open: file must be given (got null)");
    assertIllegal(
        () -> PackedDataset.open(source, file, 0),
        "PackedDataset.open: threads must be between 1 and 1024 (got 0)");
    try (FileSystem zip =
        FileSystems.newFileSystem(folder.resolve("data.zip"), Map.of("create", "true"))) {
      assertIllegal(
          () -> PackedDataset.open(source, zip.getPath("/images")),
          "PackedDataset.open: file must be of the default file system (got /images)");
    }
    PackedDataset packed = PackedDataset.open(source, file);
    assertIllegal(
        () -> packed.label(IMAGES), "PackedDataset.label: index must be between 0 and 6 (got 7)");
    assertIllegal(
        () -> packed.read(-1, FloatBuffer.allocate(6)),
        "PackedDataset.read: index must be between 0 and 6 (got -1)");
    assertIllegal(
        () -> packed.read(0, FloatBuffer.allocate(5)),
        "Dataset.read: image.remaining() must be at least 6 (got 5)");
  }

  private void assertOnlyTheFileIsThere() throws IOException {
    assertThat(file).exists();
    assertNothingIsLeft();
  }

  /** No temporary file. */
  private void assertNothingIsLeft() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files.map(path -> path.getFileName().toString()))
          .noneMatch(name -> name.endsWith(".tmp"));
    }
  }
}
