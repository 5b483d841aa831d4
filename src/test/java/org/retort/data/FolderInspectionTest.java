package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Folders of images are looked at: all of their files, or the headers of some. */
final class FolderInspectionTest {
  @TempDir private Path folder;

  @Test
  void sizes_below1_areRejected() {
    assertIllegal(
        () -> new FolderSample(0, 1, false), "FolderSample: pictures must be at least 1 (got 0)");
    assertIllegal(
        () -> new FolderSample(1, 0, false),
        "FolderSample: shorterSide must be at least 1 (got 0)");
    assertIllegal(() -> new PictureSize(0, 1), "PictureSize: width must be at least 1 (got 0)");
    assertIllegal(() -> new PictureSize(1, 0), "PictureSize: height must be at least 1 (got 0)");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void of_picturesOfAllKinds_areCounted(int threads) throws IOException, URISyntaxException {
    write("cat/1.png", 40, 30, BufferedImage.TYPE_INT_RGB);
    write("cat/2.png", 10, 90, BufferedImage.TYPE_BYTE_GRAY);
    write("cat/3.jpg", 30, 40, BufferedImage.TYPE_INT_RGB);
    write("dog/1.jpg", 30, 40, BufferedImage.TYPE_BYTE_GRAY);
    copy("turned_6.jpg", "dog/not-a.png");
    copy("turned.webp", "dog/3.webp");
    Files.writeString(folder.resolve("dog/notes.txt"), "");
    Files.createDirectories(folder.resolve(".git"));

    FolderInspection found = FolderInspection.of(folder, threads);
    assertThat(found.classNames()).containsExactly("cat", "dog");
    assertThat(found.pictures()).isEqualTo(6);
    assertThat(found.pictures("cat")).isEqualTo(3);
    assertThat(found.files("dog")).isEqualTo(3);
    assertThat(found.sizes())
        .containsExactly(
            entry(new PictureSize(16, 8), 2),
            entry(new PictureSize(10, 90), 1),
            entry(new PictureSize(30, 40), 2),
            entry(new PictureSize(40, 30), 1));
    assertThat(found.formats())
        .containsExactly(entry("JPEG", 3), entry("PNG", 2), entry("WEBP", 1));
    assertThat(found.grey()).isEqualTo(2);
    assertThat(found.turned()).isEqualTo(2);
    assertThat(found.brokenFiles()).isEmpty();
    assertThat(found.otherFiles()).isEqualTo(2);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void of_brokenFiles_areListedByPath(int threads) throws IOException {
    write("cat/1.png", 40, 30, BufferedImage.TYPE_INT_RGB);
    byte[] whole = Files.readAllBytes(folder.resolve("cat/1.png"));
    Files.write(folder.resolve("cat/2.png"), Arrays.copyOf(whole, whole.length / 2));
    Path link = Files.createSymbolicLink(folder.resolve("cat/3.png"), folder.resolve("none"));
    Files.createDirectories(folder.resolve("dog"));
    Files.write(folder.resolve("dog/1.jpg"), new byte[0]);
    Files.createDirectories(folder.resolve("emu"));

    FolderInspection found = FolderInspection.of(folder, threads);
    assertThat(found.pictures()).isOne();
    assertThat(found.brokenFiles())
        .extracting(ImageFolder.BrokenFile::file)
        .containsExactly(folder.resolve("cat/2.png"), link, folder.resolve("dog/1.jpg"));
    assertThat(found.brokenFiles().get(0).reason())
        .startsWith("the image at byte ")
        .contains("cat/2.png must be whole (got ");
    assertThat(found.brokenFiles().get(1).reason())
        .isEqualTo(link + " must exist (got a link to nothing)");
    assertThat(found.brokenFiles().get(2).reason())
        .isEqualTo(
            "the content at byte 0 of %s must be a JPEG, PNG or WebP image (got something else)"
                .formatted(folder.resolve("dog/1.jpg")));
    assertThat(Stream.of("cat", "dog", "emu").map(found::files)).containsExactly(3, 1, 0);
    assertThat(Stream.of("cat", "dog", "emu").map(found::pictures)).containsExactly(1, 0, 0);
    assertThat(found.examples("dog")).isEmpty();
  }

  @Test
  void of_fileWithoutPermission_isBroken() throws IOException {
    write("cat/1.png", 4, 3, BufferedImage.TYPE_INT_RGB);
    Path file = folder.resolve("cat/1.png");
    Files.setPosixFilePermissions(file, Set.of());
    assumeFalse(Files.isReadable(file), "root may read everything");
    assertThat(FolderInspection.of(folder, 1).brokenFiles())
        .extracting(ImageFolder.BrokenFile::reason)
        .containsExactly(file + " must be readable (got no permission)");
    Files.setPosixFilePermissions(file.getParent(), Set.of());
    assertFileRefused(
        () -> FolderInspection.of(folder, 1),
        "FolderInspection.of: folder must be readable (got %s)".formatted(file.getParent()));
    Files.setPosixFilePermissions(file.getParent(), PosixFilePermissions.fromString("rwx------"));
  }

  @Test
  void examples_ofAClass_areEvenlySpacedAndWhole() throws IOException {
    for (int i = 10; i < 30; i++) {
      write("cat/" + i + ".png", 2, 2, BufferedImage.TYPE_INT_RGB);
    }
    Files.write(folder.resolve("cat/10.png"), new byte[3]);
    write("dog/1.png", 2, 2, BufferedImage.TYPE_INT_RGB);
    FolderInspection found = FolderInspection.of(folder, 2);
    assertThat(found.examples("cat"))
        .extracting(path -> path.getFileName().toString())
        .containsExactly(
            "11.png", "13.png", "15.png", "18.png", "20.png", "22.png", "25.png", "27.png");
    assertThat(found.examples("dog")).containsExactly(folder.resolve("dog/1.png"));
    assertThat(found.examples("none")).isEmpty();
  }

  @Test
  void hasClass_accentsOfAnotherForm_areTheSame() throws IOException {
    write("\u00f6/1.png", 2, 2, BufferedImage.TYPE_INT_RGB);
    FolderInspection found = FolderInspection.of(folder, 1);
    assertThat(found.hasClass("o\u0308")).isTrue();
    assertThat(found.pictures("o\u0308")).isOne();
    assertThat(found.hasClass("o")).isFalse();
    assertThat(found.pictures("o")).isZero();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void progress_ofEachFile_isCountedInOrder(int threads) throws IOException {
    for (int i = 0; i < 9; i++) {
      write("cat/" + i + ".png", 2, 2, BufferedImage.TYPE_INT_RGB);
    }
    List<String> heard = new ArrayList<>();
    FolderInspection.of(folder, threads, (done, all) -> heard.add(done + " of " + all));
    assertThat(heard)
        .containsExactlyElementsOf(IntStream.rangeClosed(0, 9).mapToObj(i -> i + " of 9").toList());
  }

  @Test
  void of_badArguments_throw() throws IOException {
    assertIllegal(
        () -> FolderInspection.of(null, 1), "FolderInspection.of: folder must be given (got null)");
    assertIllegal(
        () -> FolderInspection.of(folder, 0),
        "FolderInspection.of: threads must be between 1 and 1024 (got 0)");
    assertFileRefused(
        () -> FolderInspection.of(folder.resolve("none"), 1),
        "FolderInspection.of: folder must exist (got %s)".formatted(folder.resolve("none")));
    assertFileRefused(
        () -> FolderInspection.of(folder, 1),
        "FolderInspection.of: folder must have a folder of images for each class (got none in %s)"
            .formatted(folder));
    write("cat/1.png", 2, 2, BufferedImage.TYPE_INT_RGB);
    Files.copy(folder.resolve("cat/1.png"), folder.resolve("cat/1.PNG"));
    assertFileRefused(
        () -> FolderInspection.of(folder, 1),
        ("FolderInspection.of: images of a class must have different names, whatever their case"
                + " and ending (got %s and %s)")
            .formatted(folder.resolve("cat/1.PNG"), folder.resolve("cat/1.png")));
  }

  @ParameterizedTest
  @MethodSource("allPictures")
  void header_ofAnyKind_saysWhatTheDecodedPictureDoes(Path file) throws IOException {
    PictureInfo decoded =
        PictureInfo.of(new Origin("test", file.toString()), Files.readAllBytes(file));
    Optional<PictureInfo> header = PictureInfo.ofHeader(file);
    assertThat(header).isPresent();
    assertThat(header.get().format()).isEqualTo(decoded.format());
    assertThat(header.get().isGrey()).isEqualTo(decoded.isGrey());
    assertThat(header.get().size().shorterSide()).isEqualTo(decoded.size().shorterSide());
  }

  @ParameterizedTest
  @CsvSource({
    "52494646440000005745425056503820380000003003009d012a21001100, 33, 17",
    "5249464628000000574542505650384c1b0000002f20c0a8010750e426d4, 33, 1700",
    "524946467e00000057454250565038580a000000080000002b0100100000, 300, 17"
  })
  void header_ofWebp_isThatOfPillow(String start, int width, int height) throws IOException {
    Path file = folder.resolve("start.webp");
    Files.write(file, HexFormat.of().parseHex(start));
    assertThat(PictureInfo.ofHeader(file).map(PictureInfo::size))
        .contains(new PictureSize(width, height));
    Files.write(file, HexFormat.of().parseHex(start.substring(2)));
    assertThat(PictureInfo.ofHeader(file)).isEmpty();
  }

  static List<Path> allPictures() throws IOException, URISyntaxException {
    try (Stream<Path> files = Files.list(PictureTest.file("expected.txt").getParent())) {
      List<Path> pictures =
          files.filter(file -> PictureFormat.named(file.toString()).isPresent()).sorted().toList();
      assertThat(pictures).hasSizeGreaterThan(40);
      return pictures;
    }
  }

  @Test
  void sample_ofAFolder_isTheMedianOfTheShorterSides() throws IOException {
    write("cat/1.png", 40, 30, BufferedImage.TYPE_BYTE_GRAY);
    write("cat/2.jpg", 20, 90, BufferedImage.TYPE_BYTE_GRAY);
    write("dog/1.png", 500, 400, BufferedImage.TYPE_BYTE_GRAY);
    Files.write(folder.resolve("dog/2.png"), new byte[100]);
    Files.write(folder.resolve("dog/3.png"), new byte[0]);
    assertThat(FolderSample.of(folder)).isEqualTo(new FolderSample(5, 30, true));
    write("dog/4.png", 10, 10, BufferedImage.TYPE_INT_RGB);
    assertThat(FolderSample.of(folder)).isEqualTo(new FolderSample(6, 20, false));
  }

  @Test
  void sample_ofManyFiles_countsAllAndReadsAHundredOfAllClasses() throws IOException {
    write("cat/0.png", 3, 3, BufferedImage.TYPE_INT_RGB);
    write("dog/0.png", 7, 7, BufferedImage.TYPE_INT_RGB);
    for (int i = 1; i < 130; i++) {
      Files.copy(folder.resolve("cat/0.png"), folder.resolve("cat/" + i + ".png"));
      Files.copy(folder.resolve("dog/0.png"), folder.resolve("dog/" + i + ".png"));
    }
    assertThat(FolderSample.of(folder).pictures()).isEqualTo(260);
    for (int i = 130; i < 140; i++) {
      Files.copy(folder.resolve("dog/0.png"), folder.resolve("dog/" + i + ".png"));
    }
    assertThat(FolderSample.of(folder)).isEqualTo(new FolderSample(270, 7, false));
  }

  @Test
  void sample_ofParts_isOfTheTrainingPart() throws IOException {
    write("train/cat/1.png", 5, 5, BufferedImage.TYPE_INT_RGB);
    write("val/cat/1.png", 9, 9, BufferedImage.TYPE_INT_RGB);
    write("val/cat/2.png", 9, 9, BufferedImage.TYPE_INT_RGB);
    assertThat(FolderSample.of(folder)).isEqualTo(new FolderSample(1, 5, false));
  }

  @Test
  void sample_withoutAPicture_throws() throws IOException {
    assertFileRefused(
        () -> FolderSample.of(folder.resolve("none")),
        "FolderSample.of: folder must exist (got %s)".formatted(folder.resolve("none")));
    Files.createDirectories(folder.resolve("cat"));
    Files.write(folder.resolve("cat/1.png"), new byte[5]);
    assertFileRefused(
        () -> FolderSample.of(folder),
        "FolderSample.of: folder must have a folder of images for each class (got none in %s)"
            .formatted(folder));
  }

  @ParameterizedTest
  @ValueSource(strings = {"test", "val", "valid", "validation"})
  void parts_twoFolders_areFound(String test) throws IOException {
    Files.createDirectories(folder.resolve("train"));
    assertThat(FolderParts.of(folder)).isEqualTo(new FolderParts(folder, Optional.empty()));
    Files.createDirectories(folder.resolve(test));
    Files.createDirectories(folder.resolve(".cache"));
    Files.writeString(folder.resolve("readme.txt"), "");
    assertThat(FolderParts.of(folder))
        .isEqualTo(new FolderParts(folder.resolve("train"), Optional.of(folder.resolve(test))));
    Files.createDirectories(folder.resolve("tram"));
    assertThat(FolderParts.of(folder)).isEqualTo(new FolderParts(folder, Optional.empty()));
    Path none = folder.resolve("none");
    assertThat(FolderParts.of(none)).isEqualTo(new FolderParts(none, Optional.empty()));
  }

  @Test
  void size_order_isThatOfThePixels() {
    assertThat(
            Stream.of(new PictureSize(3, 2), new PictureSize(2, 3), new PictureSize(1, 5)).sorted())
        .containsExactly(new PictureSize(1, 5), new PictureSize(2, 3), new PictureSize(3, 2));
    int most = Integer.MAX_VALUE;
    assertThat(new PictureSize(most, most)).isGreaterThan(new PictureSize(1, 1));
    assertIllegal(() -> new PictureSize(0, 1), "PictureSize: width must be at least 1 (got 0)");
  }

  private void copy(String picture, String name) throws IOException, URISyntaxException {
    Files.createDirectories(folder.resolve(name).getParent());
    Files.copy(PictureTest.file(picture), folder.resolve(name));
  }

  private void write(String name, int width, int height, int type) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    BufferedImage image = new BufferedImage(width, height, type);
    ImageIO.write(image, name.endsWith("png") ? "png" : "jpg", file.toFile());
  }
}
