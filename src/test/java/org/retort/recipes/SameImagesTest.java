package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.data.Batch;
import org.retort.data.DatasetBatches;
import org.retort.models.Network;

/** The same images in MNIST's files and as pictures in folders, in the same order. */
final class SameImagesTest {
  private static final int CLASSES = 3;
  private static final int SIDE = 12;
  private static final String PICTURES = "folder: pictures, channels: 1, size: " + SIDE;

  @TempDir private Path folder;

  /** A batch as it was. */
  private record Copy(List<Integer> bits, LongBuffer labels, LongBuffer indices) {}

  @BeforeEach
  void writeImages() throws IOException {
    Random random = new Random(1);
    write("train", "train", 12, random);
    write("test", "t10k", 4, random);
  }

  @Test
  void batches_ofPictures_areThoseOfTheFiles() throws IOException {
    List<Copy> ofFiles = batches(open("idx: .").parts(), 1);
    assertThat(ofFiles).hasSize(2 * 6);
    assertThat(ofFiles.get(0).bits()).isNotEqualTo(ofFiles.get(1).bits());
    DataParts pictures = open(PICTURES).parts();
    for (int threads : new int[] {1, 3}) {
      assertThat(batches(pictures, threads)).as("%d threads", threads).isEqualTo(ofFiles);
    }
  }

  @Test
  void batches_ofKeptPictures_areThoseOfTheFiles() throws IOException {
    List<Copy> ofFiles = batches(open("idx: .").parts(), 1);
    for (String pass : List.of("written", "found")) {
      assertThat(batches(open(PICTURES + ", cache: kept").parts(), 3)).as(pass).isEqualTo(ofFiles);
    }
    assertThat(folder.resolve("kept/train.packed")).exists();
  }

  @Test
  void accuracy_ofPictures_isThatOfTheFiles() throws IOException {
    Experiment files = Experiment.open(recipe("idx: ."), Optional.empty());
    Experiment pictures = Experiment.open(recipe(PICTURES), Optional.empty());
    for (long seed = 0; seed < 3; seed++) {
      try (Network network = files.network("mlp_8", seed);
          Network same = pictures.network("mlp_8", seed)) {
        assertThat(pictures.accuracy(same)).isEqualTo(files.accuracy(network)).isBetween(0.0, 1.0);
      }
    }
  }

  private ExperimentData open(String data) throws IOException {
    Recipe recipe = recipe(data);
    return new ExperimentData(recipe, recipe.data().source().open(Optional.empty()));
  }

  /** Copies of the batches of two epochs. */
  private List<Copy> batches(DataParts parts, int threads) throws IOException {
    ExperimentData data =
        new ExperimentData(
            recipe("idx: ."), parts.withPictures(parts.shape(), parts.resize(), threads));
    List<Copy> copies = new ArrayList<>();
    try (DatasetBatches batches = data.batches(false, 5)) {
      for (int epoch = 0; epoch < 2; epoch++) {
        batches.startEpoch(epoch);
        for (int i = 0; i < batches.stepsPerEpoch(); i++) {
          copies.add(copy(batches.next()));
        }
      }
    }
    return copies;
  }

  private static Copy copy(Batch batch) {
    FloatBuffer images = batch.images();
    List<Integer> bits =
        IntStream.range(0, images.limit())
            .mapToObj(i -> Float.floatToRawIntBits(images.get(i)))
            .toList();
    LongBuffer labels = LongBuffer.allocate(batch.labels().limit());
    LongBuffer indices = LongBuffer.allocate(batch.indices().limit());
    return new Copy(
        bits,
        labels.put(batch.labels().duplicate()).flip(),
        indices.put(batch.indices().duplicate()).flip());
  }

  private Recipe recipe(String data) throws IOException {
    Path file = folder.resolve("recipe.yaml");
    Files.writeString(
        file,
        """
        name: own
        source: a test
        data:
          {%s, normalization: {mean: [0.3], deviation: [0.4]}, augmentation: {crop: 2, flip: true}}
        teacher: {network: mlp_8, epochs: 1, batch: 4}
        student: {network: mlp_8, epochs: 1, batch: 4, samples_per_class: 8}
        optimizer: {name: sgd, learning_rate: 0.1}
        methods: {student: {stages: [{cross_entropy: 1}]}}
        """
            .formatted(data));
    return Recipes.load(file.toString());
  }

  /** Writes images of noise, sorted by class. */
  private void write(String part, String idx, int perClass, Random random) throws IOException {
    ByteArrayOutputStream images = new ByteArrayOutputStream();
    ByteArrayOutputStream labels = new ByteArrayOutputStream();
    DataOutputStream imageHead = new DataOutputStream(images);
    DataOutputStream labelHead = new DataOutputStream(labels);
    for (int number : new int[] {0x803, CLASSES * perClass, SIDE, SIDE}) {
      imageHead.writeInt(number);
    }
    for (int number : new int[] {0x801, CLASSES * perClass}) {
      labelHead.writeInt(number);
    }
    for (int i = 0; i < CLASSES * perClass; i++) {
      int label = i / perClass;
      byte[] pixels = new byte[SIDE * SIDE];
      random.nextBytes(pixels);
      BufferedImage image = new BufferedImage(SIDE, SIDE, BufferedImage.TYPE_BYTE_GRAY);
      image.getRaster().setDataElements(0, 0, SIDE, SIDE, pixels);
      Path of = Files.createDirectories(folder.resolve("pictures/" + part + "/" + label));
      ImageIO.write(image, "png", of.resolve("%05d.png".formatted(i)).toFile());
      images.write(pixels);
      labels.write(label);
    }
    Files.write(folder.resolve(idx + "-images-idx3-ubyte"), images.toByteArray());
    Files.write(folder.resolve(idx + "-labels-idx1-ubyte"), labels.toByteArray());
  }
}
