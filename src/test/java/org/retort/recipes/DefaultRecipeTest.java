package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.data.DatasetBatches;
import org.retort.models.Network;
import org.retort.models.Preprocessing;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/** Recipes for data of your own that nobody has written. */
final class DefaultRecipeTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({
    "20, 20, resnet20, resnet8, 0",
    "64, 64, resnet20, resnet8, 0",
    "110, 96, resnet18, mobilenet_v2, 110",
    "300, 224, resnet18, mobilenet_v2, 256"
  })
  void recipe_pictures_decideSizeAndNetworks(
      int side, int size, String teacher, String student, int resize) throws IOException {
    Pictures.write(folder.resolve("a"), side, 5, BufferedImage.TYPE_INT_RGB);
    Pictures.write(folder.resolve("b b"), side, 5, BufferedImage.TYPE_INT_RGB);
    Recipe recipe = DefaultRecipe.of(spec("folder:" + folder)).recipe();
    assertThat(recipe.teacher().network().name()).isEqualTo(teacher);
    assertThat(recipe.student().network().name()).isEqualTo(student);
    assertThat(recipe.text())
        .contains("  network: " + teacher + "\n")
        .contains("  size: " + size + "\n", "  validation: 0.2\n")
        .contains(resize > 0 ? "{random_resized_crop: " : "{crop: 2, flip: true}");
    Experiment experiment = Experiment.open(recipe, Optional.empty());
    assertThat(experiment.test().classNames()).containsExactly("a", "b b");
    assertThat(experiment.trainSize()).isEqualTo(8);
    assertThat(experiment.description().resize()).isEqualTo(resize);
    try (Network network = experiment.student(0);
        DatasetBatches batches = experiment.batches(recipe.methods().get(0).stages().get(0), 0)) {
      assertThat(network.inputShape()).containsExactly(3, size, size);
      assertThat(network.preprocessing().mean()).containsExactly(0.485, 0.456, 0.406);
      batches.startEpoch(0);
      assertThat(batches.next().images().remaining())
          .isEqualTo(recipe.student().batch() * 3 * size * size);
    }
  }

  @Test
  void recipe_greyPictures_haveOneChannel() throws IOException {
    Pictures.write(folder.resolve("train/a"), 16, 4, BufferedImage.TYPE_BYTE_GRAY);
    Pictures.write(folder.resolve("train/b"), 16, 4, BufferedImage.TYPE_BYTE_GRAY);
    Pictures.write(folder.resolve("val/b"), 16, 2, BufferedImage.TYPE_BYTE_GRAY);
    Recipe recipe = DefaultRecipe.of(spec("folder:" + folder)).recipe();
    assertThat(recipe.text()).doesNotContain("validation", "normalization");
    Experiment experiment = Experiment.open(recipe, Optional.empty());
    assertThat(experiment.trainSize()).isEqualTo(8);
    // the only class of the validation part is not the first
    assertThat(experiment.testSize()).isEqualTo(2);
    assertThat(experiment.test().label(0)).isEqualTo(1);
    try (Network network = experiment.student(0)) {
      assertThat(network.inputShape()).containsExactly(1, 16, 16);
    }
  }

  @Test
  void recipe_table_trainsAStandardisedPerceptron() throws IOException {
    StringBuilder text = new StringBuilder("size,color,\"the class\"\n");
    Random random = new Random(1);
    for (int i = 0; i < 40; i++) {
      text.append(i % 9 == 0 ? "" : 100 + random.nextInt(9))
          .append(i % 3 == 0 ? ",red," : ",blue,");
      text.append(i % 2 == 0 ? "yes\n" : "no\n");
    }
    Path file = Files.writeString(folder.resolve("My data.csv"), text);
    DataSpec spec = DataSpec.parse("csv:" + file, "the class");
    Recipe recipe = DefaultRecipe.of(spec).recipe();
    assertThat(recipe.name()).isEqualTo("my-data");
    Experiment experiment = Experiment.open(recipe, Optional.empty());
    experiment.check(recipe.methods());
    try (Network teacher = experiment.teacher(recipe.teacher());
        Network student = experiment.student(0)) {
      Preprocessing preprocessing = student.preprocessing();
      assertThat(preprocessing.inputShape()).containsExactly(3L);
      assertThat(preprocessing.mean().get(0)).isBetween(100.0, 109.0);
      StageRecipe stage = recipe.methods().get(1).stages().get(0);
      try (TrainingStep step = experiment.step(stage, student, List.of(teacher));
          DatasetBatches batches = experiment.batches(stage, 0)) {
        StepResult result = step.newResult();
        batches.startEpoch(0);
        step.run(batches.next(), result);
        assertThat(result.term(0)).isFinite();
      }
      assertThat(experiment.accuracy(student)).isBetween(0.0, 1.0);
    }
  }

  @Test
  void recipe_choices_areInItsText() throws IOException {
    Pictures.write(folder.resolve("a"), 16, 4, BufferedImage.TYPE_INT_RGB);
    Pictures.write(folder.resolve("b"), 16, 4, BufferedImage.TYPE_INT_RGB);
    Recipe recipe =
        DefaultRecipe.of(spec("folder:" + folder))
            .with(
                Optional.of("resnet14"),
                Optional.of(Path.of("/tmp/a \"b\".pt")),
                Optional.of("vgg8"),
                List.of("kd", "crd", "kd"))
            .withEpochs(7, 8)
            .recipe();
    assertThat(recipe.methodNames()).containsExactly("student", "kd-crd");
    assertThat(recipe.student().epochs()).isEqualTo(7);
    assertThat(recipe.student().network().name()).isEqualTo("vgg8");
    assertThat(recipe.teacher().isTrainedHere()).isFalse();
    assertThat(recipe.teacher().network().weights()).contains(Path.of("/tmp/a \"b\".pt"));
    assertThat(RecipeReader.read("recipe", recipe.text()).weights()).isEqualTo(recipe.weights());
  }

  @Test
  void recipe_exportedTeacher_decidesTheSize() throws IOException {
    Pictures.write(folder.resolve("a"), 20, 4, BufferedImage.TYPE_INT_RGB);
    Pictures.write(folder.resolve("b"), 20, 4, BufferedImage.TYPE_INT_RGB);
    Path program = Path.of("native", "tests", "programs", "residual.pt2");
    DefaultRecipe defaults = DefaultRecipe.of(spec("folder:" + folder));
    Recipe recipe =
        defaults
            .with(
                Optional.of(program.toString()),
                Optional.empty(),
                Optional.empty(),
                DefaultRecipe.knownLosses())
            .recipe();
    assertThat(recipe.text())
        .contains("  size: 64\n", "  network: " + program.toAbsolutePath() + "\n");
    assertThat(recipe.teacher().isTrainedHere()).isFalse();
    assertThat(recipe.methodNames()).contains("kd-dkd-fsp-nst-ofd-crd");
    DefaultRecipe missing =
        defaults.with(Optional.of("none.pt2"), Optional.empty(), Optional.empty(), List.of("kd"));
    assertThatThrownBy(missing::recipe)
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith("teacher: ")
        .hasMessageContaining("none.pt2");
  }

  @Test
  void parse_pathAlone_suggestsAKind() throws IOException {
    Path table = Files.writeString(folder.resolve("a.csv"), "x,y\n");
    assertThatThrownBy(() -> spec(folder.toString()))
        .hasMessageEndingWith("(got %1$s, did you mean folder:%1$s?)".formatted(folder));
    assertThatThrownBy(() -> spec(table.toString()))
        .hasMessageEndingWith("(got %1$s, did you mean csv:%1$s?)".formatted(table));
    assertThatThrownBy(() -> spec("/nowhere")).hasMessageEndingWith("(got /nowhere)");
    assertThat(DataSpec.isSpec("folder:a")).isTrue();
    assertThat(DataSpec.isSpec("flder:a\nb")).isTrue();
    assertThat(DataSpec.isSpec("data/pets")).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "flder:x | | data must be folder:<path>, csv:<file>, idx:<folder> or cifar:<folder> (got"
            + " flder:x, did you mean folder?)",
        "folder: | | data must be folder:<path>, csv:<file>, idx:<folder> or cifar:<folder> (got"
            + " folder:)",
        "csv:x.csv | | label must name the column of the classes (got none)",
        "idx:x | y | label must be used with a table (got idx:x)"
      })
  void parse_whatIsNoData_isRefused(String text, String label, String message) {
    assertThatThrownBy(() -> DataSpec.parse(text, label))
        .isInstanceOf(RecipeException.class)
        .hasMessage(message);
  }

  @Test
  void recipe_oneClass_isRefused() throws IOException {
    Pictures.write(folder.resolve("a"), 16, 4, BufferedImage.TYPE_INT_RGB);
    Recipe recipe = DefaultRecipe.of(spec("folder:" + folder)).recipe();
    assertThatThrownBy(() -> Experiment.open(recipe, Optional.empty()))
        .isInstanceOf(RecipeException.class)
        .hasMessage("recipe:5: folder: data must have at least two classes (got one, a)");
  }

  private static DataSpec spec(String text) {
    return DataSpec.parse(text, null);
  }
}
