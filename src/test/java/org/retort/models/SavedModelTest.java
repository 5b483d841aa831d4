package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertUnusable;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.data.TableOptions;
import org.retort.testing.Buffers;
import org.retort.train.Sgd;
import org.retort.train.StepInput;
import org.retort.train.TrainingStep;

final class SavedModelTest {
  private static final ModelDescription DESCRIPTION =
      new ModelDescription("resnet8", List.of("cat", "größer \"dog\"", "船"), 20, Optional.empty());

  @TempDir private Path folder;

  private final byte[] image = new byte[3 * 16 * 16];

  @BeforeEach
  void fill() {
    Retort.manualSeed(1);
    for (int i = 0; i < image.length; i++) {
      image[i] = (byte) (i * 31);
    }
  }

  @Test
  void load_savedModel_predictsAsBefore() throws IOException {
    Path model = folder.resolve("größer/model");
    List<Prediction> expected;
    try (Network network = network();
        Predictor predictor = Predictor.of(network, DESCRIPTION.classNames())) {
      SavedModel.save(model, network, DESCRIPTION);
      expected = predictor.top(3, image);
    }
    try (Predictor loaded = Predictor.load(model)) {
      assertThat(loaded.top(3, image)).isEqualTo(expected);
      assertThat(loaded.description()).isEqualTo(DESCRIPTION);
    }
    try (var files = Files.list(model)) {
      assertThat(files.map(Path::getFileName).map(Path::toString))
          .containsExactlyInAnyOrder("student.pt", "student.ts", "model.json");
    }
    assertThat(Files.readString(model.resolve("model.json")))
        .contains("\"architecture\": \"resnet8\"", "\"船\"", "\"resize\": 20");
  }

  @Test
  void save_whatCannotBe_isRefused() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    try (Network network = network();
        Network unknown = ResNet.cifar(8, 3)) {
      assertThatThrownBy(() -> SavedModel.save(file, network, DESCRIPTION))
          .isInstanceOf(FileException.class)
          .hasMessageStartingWith(
              "SavedModel.save: folder must be one that exists or can be created (got ");
      assertThatThrownBy(
              () -> SavedModel.save(folder, network, DESCRIPTION.withClassNames(List.of("a"))))
          .isInstanceOf(RetortException.class)
          .hasMessage("save_model: class names must be one for each of the 3 classes (got 1)");
      assertThatThrownBy(() -> SavedModel.save(folder, unknown, DESCRIPTION))
          .hasMessage(
              "save_model: network must be probed (got one whose input shape is not known)");
    }
  }

  @Test
  void load_noModel_isRefused() throws IOException {
    assertThatThrownBy(() -> Predictor.load(folder))
        .isInstanceOf(FileException.class)
        .hasMessageMatching("load_model: path must be an existing file \\(got .*model.json\\)");
    try (Network network = network()) {
      SavedModel.save(folder, network, DESCRIPTION);
    }
    Files.writeString(folder.resolve("student.ts"), "other");
    assertThatThrownBy(() -> Predictor.load(folder))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("student.ts must be the program that ");
  }

  @Test
  void load_networkForTables_predictsRowsAsBefore() throws IOException {
    TableColumns columns = columns("größe,colour,kind\n1,red,a\n2,'blue',b\n3,red,a\n4,'x,y',b\n");
    Map<String, String> row = Map.of("größe", "2.5", "colour", "x,y");
    List<Prediction> expected;
    try (Network network = mlp(columns);
        Predictor predictor = Predictor.of(network, columns.classNames())) {
      SavedModel.save(folder, network, ModelDescription.of("mlp_4").withColumns(columns));
      expected = predictor.top(2, columns.row(row));
    }
    try (Predictor loaded = Predictor.load(folder)) {
      assertThat(loaded.description().columns()).contains(columns);
      assertThat(loaded.description().classNames()).containsExactly("a", "b");
      assertThat(loaded.preprocessing().inputShape()).containsExactly(4L);
      assertThat(loaded.top(2, row)).isEqualTo(expected);
      FloatBuffer rows = Buffers.floats(8).put(new float[4]).put(columns.row(row)).flip();
      assertThat(loaded.topOfEach(1, rows))
          .containsExactly(loaded.top(1, new float[4]), expected.subList(0, 1));
      assertIllegal(
          () -> loaded.top(2, Map.of("größe", "1")),
          "TableColumns.row: values must have the column \"colour\" (got none)");
      assertUnusable(
          () -> loaded.top(2, folder.resolve("photo.jpg")),
          "Predictor.top: network must be one for pictures, [1 or 3, H, W] (got [4])");
    }
    assertThat(TableColumns.read(folder.resolve("columns.csv"))).isEqualTo(columns);
    try (Network network = network()) {
      SavedModel.save(folder, network, DESCRIPTION);
    }
    assertThat(folder.resolve("columns.csv")).doesNotExist();
    try (Predictor loaded = Predictor.load(folder)) {
      assertThat(loaded.description()).isEqualTo(DESCRIPTION);
    }
  }

  @Test
  void description_negativeResize_isRejected() {
    assertIllegal(
        () -> new ModelDescription("resnet8", List.of(), -1, Optional.empty()),
        "ModelDescription: resize must be at least 0 (got -1)");
  }

  @Test
  void saveAndLoad_columnsOfAnotherNetwork_areRefused() throws IOException {
    TableColumns columns = columns("size,kind\n1,a\n2,b\n");
    TableColumns wide = columns("size,length,kind\n1,2,a\n2,3,b\n");
    ModelDescription description = ModelDescription.of("mlp_4").withColumns(columns);
    try (Network network = mlp(columns)) {
      assertIllegal(
          () -> SavedModel.save(folder, network, description.withColumns(wide)),
          "SavedModel.save: columns must have the network's features, [1], and classes, 2"
              + " (got 2 and 2)");
      assertThat(folder.resolve("model.json")).doesNotExist();
      SavedModel.save(folder, network, description);
    }
    Path file = folder.resolve("columns.csv");
    wide.write(file);
    assertFileRefused(
        () -> Predictor.load(folder),
        "load_model: %s must be the columns that %s was written with (got another, or a damaged one)"
            .formatted(file, folder.resolve("model.json")));
    Files.delete(file);
    assertFileRefused(
        () -> Predictor.load(folder),
        "load_model: path must be an existing file (got " + file + ")");
  }

  private TableColumns columns(String csv) throws IOException {
    Path file = folder.resolve("table.csv");
    Files.writeString(file, csv.replace('\'', '"'));
    return Table.read(file, TableOptions.of("kind")).fit();
  }

  /** A network that was trained for a step. */
  private static Network mlp(TableColumns columns) {
    Network network = Networks.create("mlp_4", columns.classNames().size(), columns.features());
    Preprocessing preprocessing =
        Preprocessing.of(columns.features()).withNormalization(columns.mean(), columns.deviation());
    try (TrainingStep step =
        TrainingStep.builder(network)
            .preprocessing(preprocessing)
            .crossEntropy(1)
            .optimizer(Sgd.of(0.1))
            .build()) {
      float[] rows = new float[2 * columns.features()];
      Arrays.fill(rows, 0, columns.features(), 1);
      step.run(StepInput.of(rows, new long[] {0, 1}), step.newResult());
    }
    return network;
  }

  private static Network network() {
    Network network = ResNet.cifar(8, 3);
    network.probe(3, 16, 16);
    network.setPreprocessing(
        Preprocessing.of(3, 16, 16)
            .withNormalization(new double[] {0.5, 0.4, 0.3}, new double[] {0.2, 0.3, 0.4}));
    return network;
  }
}
