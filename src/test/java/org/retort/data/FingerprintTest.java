package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Fingerprints tell sources of other batches, and data sets of other images, from each other. */
final class FingerprintTest {
  private static final int[] LABELED = {3, 17, 40};

  /** Options of which each gives other batches than all others. */
  private static final List<UnaryOperator<DatasetBatches.Builder>> OPTIONS =
      List.of(
          builder -> builder,
          builder -> builder.seed(1),
          builder -> builder.seed(1L << 40),
          builder -> builder.size(8),
          builder -> builder.augmentation(Augmentation.shift(1)),
          builder -> builder.augmentation(Augmentation.shift(2)),
          builder -> builder.augmentation(Augmentation.none().withReflectedCrop(2)),
          builder -> builder.augmentation(Augmentation.none().withFlip(0.5)),
          builder -> builder.augmentation(Augmentation.none().withFlip(0.25)),
          builder -> builder.augmentation(normalized(0.5, 0.25)),
          builder -> builder.augmentation(normalized(0.25, 0.5)),
          builder -> builder.augmentation(resized(0.5, 1, 0.75, 1.25)),
          builder -> builder.augmentation(resized(0.25, 1, 0.75, 1.25)),
          builder -> builder.augmentation(resized(0.5, 0.75, 0.75, 1.25)),
          builder -> builder.augmentation(resized(0.5, 1, 0.5, 1.25)),
          builder -> builder.augmentation(resized(0.5, 1, 0.75, 2)),
          builder -> builder.augmentation(Augmentation.none().withOutputSize(2, 3)),
          builder -> builder.augmentation(Augmentation.none().withOutputSize(3, 2)),
          builder -> builder.augmentation(Augmentation.none().withCutout(1)),
          builder -> builder.augmentation(Augmentation.none().withCutout(2)),
          builder -> builder.augmentation(Augmentation.none().withCutout(2, 0)),
          builder -> builder.augmentation(Augmentation.none().withCutout(2, 0.5)),
          builder -> builder.labeled(LABELED, 2),
          builder -> builder.labeled(LABELED, 3),
          builder -> builder.labeled(new int[] {3, 17, 41}, 2),
          builder -> builder.labeled(new int[] {17, 3, 40}, 2),
          builder -> builder.labeled(LABELED, 2).withoutOthers());

  @TempDir private Path folder;

  @Test
  void batches_sameOptions_haveTheSame() {
    for (UnaryOperator<DatasetBatches.Builder> options : OPTIONS) {
      long expected = fingerprint(new NumberedDataset(100), options);
      assertThat(fingerprint(new NumberedDataset(100), options)).isEqualTo(expected).isNotZero();
      for (int ahead : new int[] {0, 7}) {
        assertThat(
                fingerprint(
                    new NumberedDataset(100),
                    builder -> options.apply(builder).prefetch(ahead).threads(ahead + 1)))
            .isEqualTo(expected);
      }
    }
  }

  @Test
  void batches_otherOptionsOrData_haveOthers() {
    Dataset data = new NumberedDataset(100);
    LongStream ofOptions = OPTIONS.stream().mapToLong(options -> fingerprint(data, options));
    LongStream ofData =
        Stream.of(
                new NumberedDataset(99),
                Subset.of(data, 5, 6, 7, 8, 9, 10, 11),
                described(data, new ImageShape(2, 4, 3), 7, 0, List.of()),
                described(data, data.shape(), 8, 0, List.of()),
                described(data, data.shape(), 7, 1, List.of()),
                described(data, data.shape(), 7, 0, List.of("a", "b")),
                described(data, data.shape(), 7, 0, List.of("b", "a")),
                described(data, data.shape(), 7, 0, List.of("ab", "")))
            .mapToLong(other -> fingerprint(other, builder -> builder));
    LongStream inOrder =
        Stream.of(
                DatasetBatches.inOrder(data, 7),
                DatasetBatches.inOrder(data, 8),
                DatasetBatches.inOrder(data, 7, normalized(0.5, 0.25)))
            .mapToLong(FingerprintTest::closed);
    assertThat(LongStream.concat(LongStream.concat(ofOptions, ofData), inOrder).toArray())
        .doesNotHaveDuplicates();
  }

  @Test
  void batches_optionsThatChangeNothing_haveTheSame() {
    Dataset data = new NumberedDataset(100);
    assertThat(fingerprint(data, builder -> builder.augmentation(Augmentation.none())))
        .isEqualTo(fingerprint(data, builder -> builder));
    assertThat(fingerprint(data, builder -> builder.labeled(LABELED, 30)))
        .isEqualTo(fingerprint(data, builder -> builder.labeled(LABELED, 3)));
  }

  @Test
  void batches_goingOn_keepIt() {
    try (DatasetBatches batches =
        DatasetBatches.builder(new NumberedDataset(100)).size(7).build()) {
      long before = batches.fingerprint();
      batches.startEpoch(3);
      batches.next();
      assertThat(batches.fingerprint()).isEqualTo(before);
    }
  }

  @Test
  void batches_otherColorJitter_haveOthers() {
    Dataset colored = described(new NumberedDataset(9), new ImageShape(3, 2, 4), 7, 0, List.of());
    LongStream fingerprints =
        Stream.of(
                Augmentation.none(),
                Augmentation.none().withColorJitter(0.1, 0, 0, 0),
                Augmentation.none().withColorJitter(0, 0.1, 0, 0),
                Augmentation.none().withColorJitter(0, 0, 0.1, 0),
                Augmentation.none().withColorJitter(0, 0, 0, 0.1),
                Augmentation.none().withRandomResizedCrop(0.1, 0.2, 0.3, 0.4),
                Augmentation.none().withColorJitter(0.1, 0.2, 0.3, 0.4))
            .mapToLong(
                augmentation ->
                    fingerprint(colored, builder -> builder.augmentation(augmentation)));
    assertThat(fingerprints.toArray()).doesNotHaveDuplicates();
  }

  /** Whatever changes this makes checkpoints useless. */
  @Test
  void batches_anyMachine_haveTheSame() {
    assertThat(
            fingerprint(
                Digits.load().train(),
                builder ->
                    builder
                        .seed(3)
                        .labeled(LABELED, 2)
                        .augmentation(
                            Augmentation.shift(1)
                                .withFlip(0.5)
                                .withNormalization(new double[] {0.5}, new double[] {0.25}))))
        .isEqualTo(717037122473914963L);
  }

  @Test
  void subset_otherImages_haveOthers() {
    Dataset whole = new NumberedDataset(100);
    assertThat(Subset.of(whole, 1, 8).fingerprint())
        .isEqualTo(Subset.of(new NumberedDataset(100), 1, 8).fingerprint())
        .isNotEqualTo(Subset.of(whole, 8, 15).fingerprint()) // of the same classes
        .isNotEqualTo(Subset.of(whole, 8, 1).fingerprint())
        .isNotEqualTo(Subset.of(new NumberedDataset(101), 1, 8).fingerprint());
  }

  @Test
  void cifar_otherContent_hasAnother() throws IOException {
    byte[] content = new byte[2 * 3073];
    long expected = CifarDataset.cifar10(write("a.bin", content)).fingerprint();
    assertThat(CifarDataset.cifar10(write("b.bin", content)).fingerprint()).isEqualTo(expected);
    content[5000] = 1;
    Path other = write("c.bin", content);
    assertThat(CifarDataset.cifar10(other).fingerprint()).isNotEqualTo(expected);
    Path first = folder.resolve("a.bin");
    assertThat(CifarDataset.cifar10(first, other).fingerprint())
        .isNotEqualTo(CifarDataset.cifar10(other, first).fingerprint());
  }

  @Test
  void idx_otherContent_hasAnother() throws IOException {
    Path labels = write("labels", new byte[] {0, 0, 8, 1, 0, 0, 0, 1, 0});
    byte[] images = ByteBuffer.allocate(20).putInt(0x803).putInt(1).putInt(2).putInt(2).array();
    long expected = IdxDataset.open(write("a", images), labels).fingerprint();
    assertThat(IdxDataset.open(write("b", images), labels).fingerprint()).isEqualTo(expected);
    images[19] = 1;
    assertThat(IdxDataset.open(write("c", images), labels).fingerprint()).isNotEqualTo(expected);
  }

  @Test
  void csv_otherContentOrScale_hasAnother() throws IOException {
    long expected = csv("1,2,3\n0,4,5\n", 255);
    assertThat(csv("1, 2, 3\n\n0,4,5", 255)).isEqualTo(expected);
    assertThat(csv("1,2,3\n0,4,6\n", 255)).isNotEqualTo(expected);
    assertThat(csv("1,2,3\n0,4,5\n", 16)).isNotEqualTo(expected);
  }

  @Test
  void imageFolder_otherNamesOrSizes_hasAnother() throws IOException {
    write("data/cat/1.png", new byte[10]);
    Path second = write("data/dog/1.png", new byte[20]);
    write("moved/to/cat/1.png", new byte[10]);
    write("moved/to/dog/1.png", new byte[20]);
    long expected = images(folder.resolve("data"));
    assertThat(images(folder.resolve("moved/to"))).isEqualTo(expected);
    try (FileSystem zip =
        FileSystems.newFileSystem(folder.resolve("data.zip"), Map.of("create", "true"))) {
      Files.createDirectories(zip.getPath("/cat"));
      Files.createDirectories(zip.getPath("/dog"));
      Files.write(zip.getPath("/cat/1.png"), new byte[10]);
      Files.write(zip.getPath("/dog/1.png"), new byte[20]);
      assertThat(images(zip.getPath("/"))).isEqualTo(expected);
    }
    Files.write(second, new byte[21]);
    assertThat(images(folder.resolve("data"))).isNotEqualTo(expected);
    Files.move(second, second.resolveSibling("2.png"));
    Files.write(second.resolveSibling("2.png"), new byte[20]);
    assertThat(images(folder.resolve("data"))).isNotEqualTo(expected);
  }

  @Test
  void imageFolder_changedMeanwhile_isThatOfWhatWasListed() throws IOException {
    Path file = write("data/cat/1.png", new byte[10]);
    ImageFolder data = ImageFolder.open(folder.resolve("data"), new ImageShape(1, 2, 2));
    long expected = data.fingerprint();
    Files.delete(file);
    assertThat(data.fingerprint()).isEqualTo(expected);
  }

  @Test
  void imageFolder_resized_hasAnother() throws IOException {
    write("data/cat/1.png", new byte[10]);
    ImageFolder.Builder options =
        ImageFolder.builder(folder.resolve("data"), new ImageShape(1, 2, 2));
    assertThat(options.resize(0).open().fingerprint()).isEqualTo(images(folder.resolve("data")));
    assertThat(
            new long[] {
              options.open().fingerprint(),
              options.resize(2).open().fingerprint(),
              options.resize(3).open().fingerprint()
            })
        .doesNotHaveDuplicates();
  }

  /** Whatever changes this makes checkpoints useless. */
  @Test
  void imageFolder_anyMachine_hasTheSame() throws IOException {
    write("data/cat/1.png", new byte[10]);
    write("data/dog/1.png", new byte[20]);
    assertThat(images(folder.resolve("data"))).isEqualTo(-2092796939808704614L);
  }

  private static Augmentation resized(
      double minScale, double maxScale, double minRatio, double maxRatio) {
    return Augmentation.none().withRandomResizedCrop(minScale, maxScale, minRatio, maxRatio);
  }

  private static Augmentation normalized(double mean, double deviation) {
    return Augmentation.none().withNormalization(new double[] {mean}, new double[] {deviation});
  }

  private static long fingerprint(Dataset data, UnaryOperator<DatasetBatches.Builder> options) {
    return closed(options.apply(DatasetBatches.builder(data).size(7)).build());
  }

  private static long closed(DatasetBatches batches) {
    try (batches) {
      return batches.fingerprint();
    }
  }

  /** The same images, said to be others. */
  private static Dataset described(
      Dataset data, ImageShape shape, int classes, int firstLabel, List<String> names) {
    return new ForwardingDataset(data) {
      @Override
      public ImageShape shape() {
        return shape;
      }

      @Override
      public int classes() {
        return classes;
      }

      @Override
      public int label(int index) {
        return index == 0 ? firstLabel : super.label(index);
      }

      @Override
      public List<String> classNames() {
        return names;
      }
    };
  }

  private long csv(String content, int maxPixelValue) throws IOException {
    Path file = Files.writeString(folder.resolve("data.csv"), content);
    return CsvDataset.builder(file, new ImageShape(1, 1, 2))
        .maxPixelValue(maxPixelValue)
        .open()
        .fingerprint();
  }

  private static long images(Path place) {
    return ImageFolder.open(place, new ImageShape(1, 2, 2)).fingerprint();
  }

  private Path write(String name, byte[] content) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.write(file, content);
  }
}
