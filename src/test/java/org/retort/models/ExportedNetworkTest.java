package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.RetortException;
import org.retort.losses.KdLoss;
import org.retort.losses.OfdLoss;
import org.retort.testing.Buffers;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

/** Of the cases of {@code native/tests/exported}, which the C++ tests compare with Python's. */
final class ExportedNetworkTest {
  private static final Path CASES = Path.of("native", "tests", "exported");
  private static final Path RESIDUAL = CASES.resolve("residual-2.10.pt2");
  private static final int PIXELS = 3 * 6 * 6;

  @TempDir private Path folder;

  @Test
  void load_fromPathStreamAndMemory_isTheSameNetwork() throws IOException {
    byte[] bytes = Files.readAllBytes(RESIDUAL);
    try (ExportedNetwork path = ExportedNetwork.load(RESIDUAL, "map=layer1");
        ExportedNetwork stream =
            ExportedNetwork.load(new ByteArrayInputStream(bytes), "map=layer1");
        ExportedNetwork memory = ExportedNetwork.load(bytes, "map=layer1")) {
      for (ExportedNetwork network : new ExportedNetwork[] {path, stream, memory}) {
        network.probe(3, 6, 6);
        assertThat(network.taps()).containsExactly("map");
        assertThat(network.tapShape("map")).containsExactly(4, 6, 6);
        assertThat(network.classes()).isEqualTo(8);
        assertThat(network.backbone()).containsExactly("conv1", "bn1", "layer1", "layer2");
      }
    }
  }

  @Test
  void read_inAnotherFileSystem_isTheSame() throws IOException {
    Path zip = folder.resolve("files.zip");
    try (FileSystem files = FileSystems.newFileSystem(zip, Map.of("create", "true"))) {
      Path inside = Files.copy(RESIDUAL, files.getPath("/residual.pt2"));
      assertThat(ExportedNetwork.describe(inside)).isEqualTo(ExportedNetwork.describe(RESIDUAL));
      assertThat(ExportedNetwork.suggestTaps(inside))
          .isEqualTo(ExportedNetwork.suggestTaps(RESIDUAL));
      try (ExportedNetwork network = ExportedNetwork.load(inside, "map=layer1")) {
        assertThat(network.taps()).containsExactly("map");
      }
    }
  }

  @Test
  void load_otherTaps_namesTheNearest() {
    assertThatThrownBy(() -> ExportedNetwork.load(RESIDUAL, "layr1"))
        .isInstanceOf(RetortException.class)
        .hasMessageStartingWith("load_exported: tap must be at one of the program's 30 modules")
        .hasMessageContaining("(got layr1, did you mean layer1, ");
    assertThatThrownBy(() -> ExportedNetwork.load(RESIDUAL, (String) null))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void load_otherFiles_isRefused() throws IOException {
    Path text = Files.writeString(folder.resolve("text.pt2"), "no program");
    assertThatThrownBy(() -> ExportedNetwork.load(text))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith(
            "load_exported: file must be a program of torch.export that can be run (got ")
        .hasMessageNotContaining("\n");
    assertThatThrownBy(() -> ExportedNetwork.load(folder.resolve("none.pt2")))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("none.pt2");
  }

  @Test
  void describe_listsModulesAndTaps() throws IOException {
    String text = ExportedNetwork.describe(RESIDUAL);
    assertThat(text)
        .startsWith("PyTorch 2.10")
        .contains("images [batch, 3, 6, 6], logits [batch, 8]\n")
        .contains("layer2.pre=layer2.2.relu@1:in  [batch, 8, 3, 3]\n");
    assertThatThrownBy(() -> ExportedNetwork.describe(folder.resolve("none.pt2")))
        .isInstanceOf(FileException.class);
  }

  @Test
  void suggestTaps_namesThoseOfDescribe() throws IOException {
    List<String> taps = ExportedNetwork.suggestTaps(RESIDUAL);
    assertThat(taps)
        .startsWith("layer1=layer1", "layer1.pre=layer1.1.relu@1:in", "layer2=layer2")
        .hasSize(4);
    String text = ExportedNetwork.describe(RESIDUAL);
    assertThat(text).contains(taps.stream().map(tap -> "\n" + tap + "  ").toList());
    try (Network network = ExportedNetwork.load(RESIDUAL, taps.toArray(String[]::new))) {
      network.probe(3, 6, 6);
      assertThat(network.taps()).containsExactly("layer1", "layer1.pre", "layer2", "layer2.pre");
    }
  }

  @Test
  void student_ofExportedTeacher_learns() {
    try (ExportedNetwork student = ExportedNetwork.load(RESIDUAL, "map=layer1");
        ExportedNetwork teacher = ExportedNetwork.load(RESIDUAL, "map=layer1.1.relu:in")) {
      student.convert(ScalarType.Float);
      teacher.convert(ScalarType.Float);
      try (TrainingStep step =
          TrainingStep.builder(student, teacher)
              .inputShape(3, 6, 6)
              .crossEntropy(1)
              .add(1, KdLoss.of(4))
              .add(0.1, OfdLoss.ofBatchMargins(), Taps.of("map"))
              .optimizer(Sgd.of(0.05).withMomentum(0.9))
              .build()) {
        FloatBuffer images = Buffers.random(7, 4 * PIXELS);
        LongBuffer labels = Buffers.longs(0, 3, 5, 7);
        StepResult result = step.newResult();
        step.run(images, labels, null, result);
        double first = result.total();
        for (int i = 0; i < 30; i++) {
          step.run(images, labels, null, result);
        }
        assertThat(result.total()).isLessThan(first);
        assertThat(result.crossEntropy()).isFinite();
      }
      FloatBuffer logits = Buffers.floats(8);
      student.predict(Buffers.random(8, PIXELS), logits);
      assertThat(logits.get(7)).isFinite();
    }
  }

  @Test
  void student_exportedInEvaluationMode_isRefused() {
    try (ExportedNetwork student =
        ExportedNetwork.load(CASES.resolve("pointwise_teacher-2.10.pt2"))) {
      assertThatThrownBy(
              () ->
                  TrainingStep.builder(student)
                      .inputShape(3, 6, 6)
                      .crossEntropy(1)
                      .optimizer(Sgd.of(0.05))
                      .build())
          .isInstanceOf(RetortException.class)
          .hasMessageContaining("student must be exported in training mode");
    }
  }
}
