package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;
import static org.retort.testing.Failures.assertUnusable;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.data.ImageShape;
import org.retort.data.PictureReader;
import org.retort.testing.Buffers;
import org.retort.train.Evaluation;
import org.retort.train.TrainingStep;

/** Predictions from raw images, and what a network knows of their preparation. */
final class PredictorTest {
  private static final int CLASSES = 5;
  private static final int BATCH = 4;
  private static final int IMAGE = 3 * 8 * 8;
  private static final List<String> NAMES = List.of("a", "b", "c", "d", "e");
  private static final Preprocessing NORMALIZED =
      Preprocessing.of(3, 8, 8)
          .withNormalization(new double[] {0.5, 0.4, 0.3}, new double[] {0.2, 0.3, 0.5});

  private final Network network = network();
  private final FloatBuffer images = Buffers.random(2, BATCH * IMAGE);
  @TempDir private Path folder;

  private static Network network() {
    Retort.manualSeed(3);
    return ResNet.cifar(8, CLASSES);
  }

  @BeforeEach
  void train() {
    TrainingStep.builder(network).preprocessing(NORMALIZED).build().close();
  }

  @AfterEach
  void close() {
    network.close();
  }

  /** Logits of a network of the same weights for images that were normalised by hand. */
  private float[] expected() {
    float[] byHand = new float[BATCH * IMAGE];
    for (int i = 0; i < byHand.length; i++) {
      int channel = i % IMAGE / 64;
      double mean = NORMALIZED.mean().get(channel);
      byHand[i] = (float) ((images.get(i) - mean) / NORMALIZED.deviation().get(channel));
    }
    try (Network plain = network()) {
      plain.probe(3, 8, 8);
      FloatBuffer logits = Buffers.floats(BATCH * CLASSES);
      plain.predict(Buffers.floats(byHand.length).put(byHand).flip(), logits);
      return array(logits);
    }
  }

  private static float[] array(FloatBuffer buffer) {
    float[] values = new float[buffer.remaining()];
    buffer.duplicate().get(values);
    return values;
  }

  @Test
  void preprocessing_ofTheStep_isTheNetworks() {
    assertThat(network.preprocessing()).isEqualTo(NORMALIZED);
    FloatBuffer logits = Buffers.floats(BATCH * CLASSES);
    network.predict(images, logits);
    assertThat(array(logits)).containsExactly(expected(), within(1e-4f));
  }

  @Test
  void accuracyAndEvaluation_prepareAsTheStep() {
    float[] logits = expected();
    Batch batch = Batch.allocate(BATCH, 3, 8, 8);
    batch.images().put(images.duplicate()).flip();
    for (int i = 0; i < BATCH; i++) {
      batch.labels().put(best(logits, i));
      batch.indices().put(i);
    }
    batch.labels().flip();
    batch.indices().flip();
    assertThat(network.accuracy(batch.images(), batch.labels())).isEqualTo(1);
    assertThat(Evaluation.accuracy(network, once(batch))).isEqualTo(1);
  }

  private static int best(float[] logits, int image) {
    return IntStream.range(0, CLASSES)
        .reduce((a, b) -> logits[image * CLASSES + a] >= logits[image * CLASSES + b] ? a : b)
        .orElseThrow();
  }

  private static Batches once(Batch batch) {
    return new Batches() {
      @Override
      public int stepsPerEpoch() {
        return 1;
      }

      @Override
      public void startEpoch(int epoch) {}

      @Override
      public Batch next() {
        return batch;
      }
    };
  }

  @Test
  void predictor_floatsAndBytes_areTheNetworks() {
    ByteBuffer bytes = ByteBuffer.allocateDirect(BATCH * IMAGE);
    FloatBuffer fractions = Buffers.floats(BATCH * IMAGE);
    for (int i = 0; i < BATCH * IMAGE; i++) {
      bytes.put((byte) (i * 7));
      fractions.put((i * 7 & 0xff) / 255f);
    }
    bytes.flip();
    fractions.flip();
    FloatBuffer ofBytes = Buffers.floats(BATCH * CLASSES);
    FloatBuffer ofFloats = Buffers.floats(BATCH * CLASSES);
    FloatBuffer ofNetwork = Buffers.floats(BATCH * CLASSES);
    try (Predictor predictor = Predictor.of(network)) {
      predictor.logits(bytes, ofBytes);
      predictor.logits(fractions, ofFloats);
      network.predict(fractions, ofNetwork);
      assertThat(array(ofFloats)).isEqualTo(array(ofNetwork));
      assertThat(array(ofBytes)).containsExactly(array(ofNetwork), within(1e-4f));

      predictor.probabilities(fractions, ofFloats);
      for (int i = 0; i < BATCH; i++) {
        double sum = 0;
        double normalizer = 0;
        for (int c = 0; c < CLASSES; c++) {
          normalizer += Math.exp(ofNetwork.get(i * CLASSES + c));
        }
        for (int c = 0; c < CLASSES; c++) {
          double probability = Math.exp(ofNetwork.get(i * CLASSES + c)) / normalizer;
          assertThat(ofFloats.get(i * CLASSES + c)).isCloseTo((float) probability, within(1e-5f));
          sum += ofFloats.get(i * CLASSES + c);
        }
        assertThat(sum).isCloseTo(1, within(1e-5));
      }
      predictor.probabilities(bytes, ofBytes);
      assertThat(array(ofBytes)).containsExactly(array(ofFloats), within(1e-4f));
      assertThat(predictor.classes()).isEqualTo(CLASSES);
    }
  }

  @Test
  void predictor_tensors_areTheNetworks() {
    Tensor floats = Tensor.create(array(images), BATCH, 3, 8, 8);
    try (Predictor predictor = Predictor.of(network);
        Tensor logits = predictor.logits(floats);
        Tensor probabilities = predictor.probabilities(floats);
        Tensor expected = network.predict(floats);
        Tensor softmax = expected.softmax(1)) {
      assertThat(logits.equal(expected)).isTrue();
      assertThat(probabilities.allclose(softmax)).isTrue();
    }
  }

  @Test
  void top_isSortedAndNamed() {
    float[] image = new float[IMAGE];
    images.get(0, image);
    try (Predictor named = Predictor.of(network, NAMES);
        Predictor numbered = Predictor.of(network)) {
      List<Prediction> all = named.top(9, image);
      assertThat(all).hasSize(CLASSES);
      assertThat(all)
          .extracting(Prediction::probability)
          .isSortedAccordingTo((a, b) -> Float.compare(b, a));
      assertThat(all).allSatisfy(one -> assertThat(one.name()).isEqualTo(NAMES.get(one.label())));
      assertThat(all.get(0).label()).isEqualTo(best(expected(), 0));
      assertThat(named.top(2, image)).isEqualTo(all.subList(0, 2));
      assertThat(numbered.top(1, image).get(0).name()).isEqualTo("" + all.get(0).label());
    }
  }

  @Test
  void top_picture_isThatOfItsPixels() throws IOException {
    Path picture = picture();
    PictureReader reader = PictureReader.of(new ImageShape(3, 8, 8));
    try (Predictor planes = Predictor.of(network, NAMES);
        Predictor pixels = Predictor.of(network, NORMALIZED.withChannelsLast(true), NAMES);
        InputStream stream = Files.newInputStream(picture)) {
      assertThat(planes.pictureReader()).isEqualTo(reader);
      List<Prediction> expected = planes.top(3, reader.read(picture));
      assertThat(planes.top(3, picture)).isEqualTo(expected);
      assertThat(planes.top(3, stream, "upload")).isEqualTo(expected);
      List<Prediction> ofPixels = pixels.top(3, picture);
      for (int i = 0; i < 3; i++) {
        assertThat(ofPixels.get(i).label()).isEqualTo(expected.get(i).label());
        assertThat(ofPixels.get(i).probability())
            .isCloseTo(expected.get(i).probability(), within(1e-5f));
      }
      assertFileRefused(
          () -> planes.top(1, folder.resolve("none.jpg")),
          "PictureReader.read: file must exist (got " + folder.resolve("none.jpg") + ")");
    }
  }

  @Test
  void top_pictureOfASavedModel_isScaledAsDescribed() throws IOException {
    Path picture = picture();
    ModelDescription description = ModelDescription.of("resnet8").withClassNames(NAMES);
    for (int resize : new int[] {0, 8, 12}) {
      SavedModel.save(folder, network, description.withResize(resize));
      PictureReader reader = new PictureReader(new ImageShape(3, 8, 8), resize);
      try (Predictor predictor = Predictor.load(folder)) {
        assertThat(predictor.pictureReader()).isEqualTo(reader);
        assertThat(predictor.top(CLASSES, picture))
            .isEqualTo(predictor.top(CLASSES, reader.read(picture)));
      }
    }
    SavedModel.save(folder, network, description.withResize(7));
    try (Predictor predictor = Predictor.load(folder)) {
      assertUnusable(
          () -> predictor.top(1, picture),
          "Predictor.top: description must fit the network (got PictureReader: resize must be 0 or"
              + " between 8 and 67108864 (got 7))");
    }
  }

  private Path picture() throws IOException {
    BufferedImage image = new BufferedImage(20, 14, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        image.setRGB(x, y, (x * 12) << 16 | (y * 18) << 8 | (x * y) % 256);
      }
    }
    Path file = folder.resolve("picture.png");
    ImageIO.write(image, "png", file.toFile());
    return file;
  }

  @Test
  void topOfEach_areTheBestOfEachImage() {
    try (Predictor predictor = Predictor.of(network, NAMES)) {
      List<List<Prediction>> best = predictor.topOfEach(2, images);
      assertThat(best).hasSize(BATCH);
      FloatBuffer probabilities = Buffers.floats(BATCH * CLASSES);
      predictor.probabilities(images, probabilities);
      float[] image = new float[IMAGE];
      for (int i = 0; i < BATCH; i++) {
        images.get(i * IMAGE, image);
        List<Prediction> alone = predictor.top(2, image);
        assertThat(best.get(i)).hasSize(2);
        for (int rank = 0; rank < 2; rank++) {
          assertThat(best.get(i).get(rank).label()).isEqualTo(alone.get(rank).label());
          assertThat(best.get(i).get(rank).name()).isEqualTo(alone.get(rank).name());
          assertThat(best.get(i).get(rank).probability())
              .isCloseTo(alone.get(rank).probability(), within(1e-5f))
              .isEqualTo(probabilities.get(i * CLASSES + best.get(i).get(rank).label()));
        }
      }
      assertIllegal(
          () -> predictor.topOfEach(1, Buffers.floats(IMAGE + 1)),
          "Predictor.topOfEach: images must hold a positive multiple of 192 elements (got 193)");
      assertIllegal(
          () -> predictor.topOfEach(0, images),
          "Predictor.topOfEach: count must be at least 1 (got 0)");
      assertIllegal(
          () -> predictor.topOfEach(1, null),
          "Predictor.topOfEach: images must be given (got null)");
    }
  }

  @Test
  void preprocessing_ofAPredictor_isTheNetworksOrItsOwn() {
    Preprocessing own =
        Preprocessing.of()
            .withNormalization(new double[] {0.5, 0.4, 0.3}, new double[] {0.2, 0.3, 0.5})
            .withChannelsLast(true);
    try (Predictor shared = Predictor.of(network);
        Predictor different = Predictor.of(network, own, NAMES)) {
      assertThat(shared.preprocessing()).isEqualTo(NORMALIZED);
      assertThat(different.preprocessing()).isEqualTo(own.withInputShape(3, 8, 8));
    }
  }

  @Test
  void predictor_channelsLast_areTheSameImages() {
    byte[] first = new byte[IMAGE];
    byte[] last = new byte[IMAGE];
    for (int pixel = 0; pixel < 64; pixel++) {
      for (int channel = 0; channel < 3; channel++) {
        first[channel * 64 + pixel] = (byte) (pixel * 5 + channel * 31);
        last[pixel * 3 + channel] = first[channel * 64 + pixel];
      }
    }
    Preprocessing ofPixels = NORMALIZED.withChannelsLast(true);
    try (Predictor planes = Predictor.of(network);
        Predictor pixels = Predictor.of(network, ofPixels, NAMES)) {
      List<Prediction> expected = planes.top(CLASSES, first);
      List<Prediction> actual = pixels.top(CLASSES, last);
      for (int i = 0; i < CLASSES; i++) {
        assertThat(actual.get(i).label()).isEqualTo(expected.get(i).label());
        assertThat(actual.get(i).probability())
            .isCloseTo(expected.get(i).probability(), within(1e-5f));
      }
    }
  }

  @Test
  void preprocessing_isSavedWithTheNetwork() {
    network.saveStateDict(folder.resolve("student.pt"));
    network.saveTorchScript(folder.resolve("student.ts"));
    float[] image = new float[IMAGE];
    images.get(0, image);
    try (Network loaded = ResNet.cifar(8, CLASSES);
        Network program = TorchScriptNetwork.load(folder.resolve("student.ts"));
        Predictor expected = Predictor.of(network)) {
      loaded.loadStateDict(folder.resolve("student.pt"));
      for (Network one : List.of(loaded, program)) {
        assertThat(one.preprocessing()).isEqualTo(NORMALIZED);
        assertThat(one.inputShape()).containsExactly(3, 8, 8);
        try (Predictor predictor = Predictor.of(one)) {
          assertThat(predictor.top(1, image).get(0).label())
              .isEqualTo(expected.top(1, image).get(0).label());
        }
      }
    }
  }

  @Test
  void setPreprocessing_serves() {
    try (Network plain = network()) {
      plain.setPreprocessing(NORMALIZED);
      plain.probe(3, 8, 8);
      FloatBuffer logits = Buffers.floats(BATCH * CLASSES);
      plain.predict(images, logits);
      assertThat(array(logits)).containsExactly(expected(), within(1e-4f));
    }
  }

  @Test
  void predictor_closed_isUnusable_andNetworkMayBeClosedBefore() {
    Predictor predictor = Predictor.of(network);
    network.close();
    assertThat(predictor.top(1, new float[IMAGE])).hasSize(1);
    predictor.close();
    predictor.close();
    assertUnusable(
        () -> predictor.top(1, new float[IMAGE]),
        "Predictor: object must be open (got a closed one)");
  }

  @Test
  void pictureReader_channels_areOneOrThree() {
    try (Network grey = ResNet.cifar(8, 2, 1);
        Network two = ResNet.cifar(8, 2, 2)) {
      grey.probe(1, 8, 8);
      two.probe(2, 8, 8);
      try (Predictor ofGrey = Predictor.of(grey);
          Predictor ofTwo = Predictor.of(two)) {
        assertThat(ofGrey.pictureReader()).isNotNull();
        assertUnusable(
            ofTwo::pictureReader,
            "Predictor.pictureReader: network must be one for pictures, [1 or 3, H, W] (got [2, 8,"
                + " 8])");
      }
    }
  }

  @Test
  void argument_wrong_isRejected() {
    assertIllegal(() -> Predictor.of(null), "Predictor: network must be given (got null)");
    assertIllegal(
        () -> Predictor.of(network, (List<String>) null),
        "Predictor: class names must be given (got null)");
    assertIllegal(
        () -> Predictor.of(network, null, NAMES),
        "Predictor: preprocessing must be given (got null)");
    Preprocessing another =
        Preprocessing.of().withNormalization(new double[] {0}, new double[] {1});
    assertRefused(
        () -> Predictor.of(network, another, NAMES),
        "Predictor: preprocessing must normalise as the network's, images(mean=[0.5, 0.4, 0.3],"
            + " deviation=[0.2, 0.3, 0.5], channels_last=false) (got images(mean=[0],"
            + " deviation=[1], channels_last=false))");
    try (Predictor predictor = Predictor.of(network, List.of("a"));
        Network unknown = Mlp.of(4, 2);
        Predictor unprobed = Predictor.of(unknown)) {
      assertIllegal(
          () -> predictor.top(1, new float[IMAGE]),
          "Predictor.top: class names must be one for each of the 5 classes (got 1)");
      assertIllegal(
          () -> predictor.top(0, new float[IMAGE]),
          "Predictor.top: count must be at least 1 (got 0)");
      assertIllegal(
          () -> predictor.top(1, new byte[5]),
          "Predictor.top: image must hold 192 elements (got 5)");
      assertIllegal(
          () -> predictor.top(1, (byte[]) null), "Predictor.top: image must be given (got null)");
      assertIllegal(
          () -> predictor.logits(images, Buffers.floats(3)),
          "Predictor.logits: logits must hold 20 elements (got 3)");
      assertIllegal(
          () -> predictor.probabilities(FloatBuffer.allocate(IMAGE), Buffers.floats(CLASSES)),
          "Predictor.probabilities: images must be a direct buffer (got one on the heap)");
      assertIllegal(
          () -> predictor.logits(ByteBuffer.allocate(IMAGE), Buffers.floats(CLASSES)),
          "Predictor.logits: images must be a direct buffer (got one on the heap)");
      assertIllegal(
          () -> predictor.top(1, (Path) null), "Predictor.top: picture must be given (got null)");
      assertIllegal(
          () -> predictor.top(0, Path.of("none.jpg")),
          "Predictor.top: count must be at least 1 (got 0)");
      assertIllegal(
          () -> predictor.top(0, InputStream.nullInputStream(), "none.jpg"),
          "Predictor.top: count must be at least 1 (got 0)");
      assertIllegal(
          () -> predictor.top(0, Map.of("size", "1")),
          "Predictor.top: count must be at least 1 (got 0)");
      assertIllegal(
          () -> predictor.top(1, (Map<String, String>) null),
          "Predictor.top: row must be given (got null)");
      assertUnusable(
          () -> predictor.top(1, Map.of("size", "1")),
          "Predictor.top: network must be one for tables (got one without columns)");
      assertUnusable(
          () -> unprobed.pictureReader(),
          "Predictor.pictureReader: network must be one for pictures, [1 or 3, H, W] (got [])");
      assertUnusable(
          () -> unprobed.top(1, new float[4]),
          "Predictor.top: input shape must be known, call probe first (got none)");
    }
  }
}
