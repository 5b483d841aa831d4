package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.Retort;
import org.retort.RetortException;

final class SavedModelTest {
  private static final ModelDescription DESCRIPTION =
      new ModelDescription("resnet8", List.of("cat", "größer \"dog\"", "船"), 20);

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
              "SavedModel.save: folder must be one that is there or can be made (got ");
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

  private static Network network() {
    Network network = ResNet.cifar(8, 3);
    network.probe(3, 16, 16);
    network.setPreprocessing(
        Preprocessing.of(3, 16, 16)
            .withNormalization(new double[] {0.5, 0.4, 0.3}, new double[] {0.2, 0.3, 0.4}));
    return network;
  }
}
