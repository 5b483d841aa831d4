package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.File;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.data.ImageShape;
import org.retort.data.MissingValues;
import org.retort.data.Subset;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.data.TableDataset;
import org.retort.data.TableOptions;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.Prediction;
import org.retort.models.Predictor;
import org.retort.models.Preprocessing;
import org.retort.testing.Bits;
import org.retort.testing.ChildJvm;

/** A network for the rows of a table, from the file to predictions in another program. */
final class TableTrainingTest {
  private static final int ROWS = 240;
  private static final int TRAINING = 160;
  private static final int FEATURES = 5;

  /** By class: a number that is far from 0, one that is small, and which text is likely. */
  private static final double[][] CENTRES = {{1000, 0.001, 0}, {1040, 0.001, 1}, {1000, 0.005, 2}};

  private static final String[] TEXTS = {"\"a, b\"", "c", "?d"};

  @AutoClose private final PointerScope scope = new PointerScope();
  @TempDir private Path folder;
  private Path file;
  private Table table;
  private TableColumns columns;
  private final int[] training = IntStream.range(0, TRAINING).toArray();

  @BeforeEach
  void makeTable() throws IOException {
    file = Files.writeString(folder.resolve("data.csv"), csv(1));
    table = Table.read(file, TableOptions.of("kind").withMissingValues(MissingValues.MEAN));
    columns = table.fit(training);
    assertThat(columns.features()).isEqualTo(FEATURES);
  }

  private static String csv(long seed) {
    Random random = new Random(seed);
    StringBuilder text = new StringBuilder("far,small,text,kind\r\n");
    for (int i = 0; i < ROWS; i++) {
      double[] centre = CENTRES[i % 3];
      boolean isTypical = random.nextInt(4) > 0;
      text.append(centre[0] + 6 * random.nextGaussian()).append(',');
      text.append(i % 20 == 5 ? "NA" : centre[1] + 0.0005 * random.nextGaussian()).append(',');
      text.append(TEXTS[isTypical ? (int) centre[2] : random.nextInt(3)]);
      text.append(",k").append(i % 3).append("\r\n");
    }
    return text.toString();
  }

  /** Rows that were standardised before, in float64. */
  private record Standardised(Dataset raw, double[] mean, double[] deviation) implements Dataset {
    @Override
    public int size() {
      return raw.size();
    }

    @Override
    public int classes() {
      return raw.classes();
    }

    @Override
    public ImageShape shape() {
      return raw.shape();
    }

    @Override
    public int label(int index) {
      return raw.label(index);
    }

    @Override
    public void read(int index, FloatBuffer image) {
      FloatBuffer values = FloatBuffer.allocate(FEATURES);
      raw.read(index, values);
      for (int i = 0; i < FEATURES; i++) {
        image.put((float) ((values.get(i) - mean[i]) / deviation[i]));
      }
    }
  }

  private static Network network(long seed) {
    Retort.manualSeed(seed);
    return Networks.create("mlp_16", 3, FEATURES);
  }

  private Preprocessing preprocessing() {
    return Preprocessing.of(FEATURES).withNormalization(columns.mean(), columns.deviation());
  }

  private Dataset trainingPart() {
    return Subset.of(TableDataset.of(table, columns), training);
  }

  private Dataset validationPart() {
    return Subset.of(TableDataset.of(table, columns), IntStream.range(TRAINING, ROWS).toArray());
  }

  private static TrainingSummary train(
      Network network, Preprocessing preprocessing, Dataset data, int epochs, Path folder) {
    try (DatasetBatches batches = DatasetBatches.builder(data).size(16).seed(2).build();
        TrainingStep step =
            TrainingStep.builder(network)
                .preprocessing(preprocessing)
                .crossEntropy(1)
                .optimizer(Sgd.of(0.1).withMomentum(0.9))
                .build()) {
      return Trainer.builder(step, batches).epochs(epochs).keep(folder).resume().build().run();
    }
  }

  /** Whether the nearest of the centres is that of the label, by values as they were drawn. */
  private double accuracyOfNearestCentre(Dataset data) {
    int right = 0;
    for (int i = 0; i < data.size(); i++) {
      FloatBuffer row = FloatBuffer.allocate(FEATURES);
      data.read(i, row);
      int nearest =
          IntStream.range(0, 3)
              .boxed()
              .min(Comparator.comparingDouble(kind -> distance(row, CENTRES[kind])))
              .orElseThrow();
      right += nearest == data.label(i) ? 1 : 0;
    }
    return (double) right / data.size();
  }

  private static double distance(FloatBuffer row, double[] centre) {
    double far = (row.get(0) - centre[0]) / 6;
    double small = (row.get(1) - centre[1]) / 0.0005;
    return far * far + small * small;
  }

  @Test
  void train_table_isAsGoodAsItCanBe() {
    Dataset validation = validationPart();
    double expected = accuracyOfNearestCentre(validation);
    assertThat(expected).isBetween(0.9, 0.999); // of rows that lack a number, some are wrong
    try (Network network = network(3);
        DatasetBatches batches = DatasetBatches.inOrder(validation, 32)) {
      train(network, preprocessing(), trainingPart(), 30, folder);
      assertThat(Evaluation.accuracy(network, batches)).isGreaterThan(expected - 0.03);
    }
  }

  @Test
  void train_rawRows_isAsOnStandardisedOnes() {
    Dataset raw = trainingPart();
    Dataset standardised = new Standardised(raw, columns.mean(), columns.deviation());
    try (Network network = network(3);
        Network expected = network(3)) {
      train(network, preprocessing(), raw, 3, folder.resolve("raw"));
      train(expected, Preprocessing.of(FEATURES), standardised, 3, folder.resolve("expected"));
      expected
          .stateDict()
          .forEach(
              (name, weight) ->
                  assertThat(
                          torch.allclose(network.stateDict().get(name), weight, 1e-3, 1e-3, false))
                      .as(name)
                      .isTrue());
    }
  }

  @Test
  void predict_whatWasSaved_isTheSame() {
    Dataset validation = validationPart();
    Path weights = folder.resolve("network.pt");
    Path kept = folder.resolve("columns.csv");
    float[] probabilities = new float[validation.size()];
    String[] names = new String[validation.size()];
    try (Network network = network(3)) {
      train(network, preprocessing(), trainingPart(), 2, folder);
      try (Predictor predictor = Predictor.of(network, columns.classNames())) {
        for (int i = 0; i < names.length; i++) {
          FloatBuffer row = FloatBuffer.allocate(FEATURES);
          validation.read(i, row);
          Prediction best = predictor.top(1, row.array()).get(0);
          names[i] = best.name();
          probabilities[i] = best.probability();
        }
      }
      network.saveStateDict(weights);
      columns.write(kept);
    }
    TableColumns read = TableColumns.read(kept);
    TableDataset again = TableDataset.open(file, read);
    try (Network network = Networks.create("mlp_16", read.classNames().size(), read.features())) {
      network.loadStateDict(weights);
      try (Predictor predictor = Predictor.of(network, read.classNames())) {
        for (int i = 0; i < names.length; i++) {
          FloatBuffer row = FloatBuffer.allocate(FEATURES);
          again.read(TRAINING + i, row);
          Prediction best = predictor.top(1, row.array()).get(0);
          assertThat(best.name()).isEqualTo(names[i]);
          assertThat(best.probability()).isEqualTo(probabilities[i]);
        }
        Map<String, String> row = Map.of("far", "1040", "small", ".001", "text", "c");
        Tensor features = torch.tensor(read.row(row)).unsqueeze(0);
        assertThat(predictor.top(1, read.row(row)).get(0).name()).isEqualTo("k1");
        assertThat(network.predict(features).argmax().item_long()).isEqualTo(1);
      }
    }
  }

  @Test
  void resume_sameTable_goesOnAndAnotherIsRefused() throws IOException {
    Path whole = folder.resolve("whole");
    Path parts = folder.resolve("parts");
    columns.write(folder.resolve("columns.csv"));
    try (Network network = network(3);
        Network resumed = network(3)) {
      train(network, preprocessing(), trainingPart(), 3, whole);
      train(resumed, preprocessing(), trainingPart(), 1, parts);
      columns = TableColumns.read(folder.resolve("columns.csv"));
      train(resumed, preprocessing(), trainingPart(), 3, parts);
      assertThat(Bits.of(resumed.stateDict())).isEqualTo(Bits.of(network.stateDict()));
    }
    Files.writeString(file, csv(1).replaceFirst("NA", "1"));
    table = Table.read(file, columns.options());
    try (Network network = network(3)) {
      assertThatThrownBy(() -> train(network, preprocessing(), trainingPart(), 4, parts))
          .hasMessageContaining("fingerprint");
    }
  }

  /** Natively in both: by scale and shift in float32. */
  @Test
  void preprocessing_hundredsOfFeatures_standardisesEach() {
    int features = 300;
    Random random = new Random(5);
    double[] mean = random.doubles(features, -50, 50).toArray();
    double[] deviation = random.doubles(features, 0.1, 9).toArray();
    float[] row = new float[features];
    float[] standardised = new float[features];
    for (int i = 0; i < features; i++) {
      row[i] = (float) (mean[i] + deviation[i] * random.nextGaussian());
      standardised[i] = (float) ((row[i] - mean[i]) / deviation[i]);
    }
    try (Network network = Networks.create("mlp_4", 3, features)) {
      network.probe(features);
      Tensor expected = network.predict(torch.tensor(standardised).unsqueeze(0));
      network.setPreprocessing(Preprocessing.of(features).withNormalization(mean, deviation));
      network.publish();
      try (Predictor predictor = Predictor.of(network)) {
        Tensor logits = predictor.logits(torch.tensor(row).unsqueeze(0));
        for (int i = 0; i < 3; i++) {
          assertThat(logits.get(0).get(i).item_float())
              .isCloseTo(expected.get(0).get(i).item_float(), within(1e-4f));
        }
      }
    }
  }

  @Test
  void read_withoutCommonsCsv_namesTheArtifact() throws Exception {
    URL[] places =
        Arrays.stream(ChildJvm.classPath().split(File.pathSeparator))
            .filter(place -> !place.contains("commons-csv"))
            .map(TableTrainingTest::toUrl)
            .toArray(URL[]::new);
    try (URLClassLoader loader = new URLClassLoader(places, ClassLoader.getPlatformClassLoader())) {
      Class<?> options = loader.loadClass("org.retort.data.TableOptions");
      Object ofKind = options.getMethod("of", String.class).invoke(null, "kind");
      assertThatThrownBy(
              () ->
                  loader
                      .loadClass("org.retort.data.Table")
                      .getMethod("read", Path.class, options)
                      .invoke(null, file, ofKind))
          .cause()
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(
              "Table.read: class path must have org.apache.commons:commons-csv, an optional"
                  + " dependency (got none)");
      assertThatThrownBy(
              () ->
                  loader
                      .loadClass("org.retort.data.TableColumns")
                      .getMethod("read", Path.class)
                      .invoke(null, file))
          .cause()
          .isInstanceOf(IllegalStateException.class)
          .hasMessageStartingWith("TableColumns.read: class path must have org.apache.commons:");
    }
  }

  private static URL toUrl(String place) {
    try {
      return Path.of(place).toUri().toURL();
    } catch (MalformedURLException e) {
      throw new AssertionError(e);
    }
  }
}
