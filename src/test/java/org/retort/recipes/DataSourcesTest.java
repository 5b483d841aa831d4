package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.models.Network;

/** Data of your own, as recipes name them. */
final class DataSourcesTest {
  @TempDir private Path folder;

  @Test
  void idx_fiveClasses_makeNetworksOfFiveOutputs() throws IOException {
    writeIdx("train", 40, 5);
    writeIdx("t10k", 10, 5);
    Experiment experiment = Experiment.open(recipe("idx: ."), Optional.empty());
    assertThat(experiment.trainSize()).isEqualTo(40);
    assertThat(experiment.testSize()).isEqualTo(10);
    try (Network student = experiment.network("resnet8", 0)) {
      assertThat(student.classes()).isEqualTo(5);
    }
    // by name, too
    Recipe named = recipe("name: mnist");
    try (Network student = Experiment.open(named, Optional.of(folder)).network("resnet8", 0)) {
      assertThat(student.classes()).isEqualTo(5);
    }
    Path nowhere = folder.resolve("nowhere");
    assertThatThrownBy(() -> Experiment.open(named, Optional.of(nowhere)))
        .isInstanceOf(RecipeException.class)
        .hasMessage("folder must be that of the files of mnist (got " + nowhere + ")");
  }

  @Test
  void idx_withoutATestPart_isSplit() throws IOException {
    writeIdx("train", 40, 4);
    Experiment fifth = Experiment.open(recipe("idx: ."), Optional.empty());
    assertThat(fifth.trainSize()).isEqualTo(32);
    assertThat(fifth.testSize()).isEqualTo(8);
    Experiment half = Experiment.open(recipe("idx: ., validation: 0.5"), Optional.empty());
    assertThat(half.testSize()).isEqualTo(20);
  }

  @Test
  void idx_whatIsWrong_isToldWithFileAndLine() throws IOException {
    writeIdx("train", 40, 5);
    writeIdx("t10k", 10, 6);
    assertThatThrownBy(() -> Experiment.open(recipe("idx: ."), Optional.empty()))
        .isInstanceOf(RecipeException.class)
        .hasMessageMatching(
            ".*/recipe.yaml:3: idx: the class at byte 13 of .* must be between 0 and 4 \\(got 5\\)");
    assertThatThrownBy(() -> Experiment.open(recipe("idx: ., validation: 0.5"), Optional.empty()))
        .hasMessageMatching(
            ".*/recipe.yaml:3: validation must not be given for data with a test part"
                + " \\(got 0.5\\)");
    assertThatThrownBy(() -> Experiment.open(recipe("idx: nowhere"), Optional.empty()))
        .hasMessageMatching(".*/recipe.yaml:3: idx: file must exist \\(got .*\\)");
    assertThatThrownBy(() -> Experiment.open(recipe("idx: ."), Optional.of(folder)))
        .hasMessageMatching(
            "folder must not be given for data that the recipe names, .* \\(got .*\\)");
  }

  @Test
  void letters_areCutWhereTheyAreByCustom() throws IOException {
    writeLetters(20_000);
    Recipe recipe = Recipes.load("letters");
    ExperimentData data =
        new ExperimentData(recipe, recipe.data().source().open(Optional.of(folder)));
    assertThat(data.trainSize()).isEqualTo(16_000);
    assertThat(data.testSize()).isEqualTo(4_000);
    assertThat(data.inputShape()).containsExactly(16);
    assertThat(data.parts().train().classNames()).hasSize(26).startsWith("A", "B").endsWith("Z");
    // columns were fitted on the first rows alone, whose numbers are 0 and 1
    assertThat(data.parts().columns().orElseThrow().mean()).hasSize(16).containsOnly(0.5);
    FloatBuffer row = FloatBuffer.allocate(16);
    data.parts().test().read(0, row);
    assertThat(row.array()).containsOnly(9);
    Experiment experiment = Experiment.open(recipe, Optional.of(folder));
    try (Network student = experiment.student(0)) {
      assertThat(student.inputShape()).containsExactly(16);
      assertThat(student.classes()).isEqualTo(26);
      assertThat(student.preprocessing().mean()).hasSize(16).containsOnly(0.5);
    }
  }

  @Test
  void letters_noise_isRows() {
    try (Network student = Experiment.onNoise(Recipes.load("letters")).student(0)) {
      assertThat(student.inputShape()).containsExactly(16);
      assertThat(student.classes()).isEqualTo(26);
    }
  }

  @Test
  void letters_otherRows_areRefused() throws IOException {
    Recipe recipe = Recipes.load("letters");
    assertThatThrownBy(() -> Experiment.open(recipe, Optional.empty()))
        .isInstanceOf(RecipeException.class)
        .hasMessage("folder must be that of the files of letters (got none)");
    assertThatThrownBy(() -> Experiment.open(recipe, Optional.of(folder)))
        .isInstanceOf(RecipeException.class)
        .hasMessageMatching(
            "folder must be that of the files of letters \\(got .*: file must exist \\(got .*\\)\\)");
    writeLetters(100);
    assertThatThrownBy(() -> Experiment.open(recipe, Optional.of(folder)))
        .isInstanceOf(RecipeException.class)
        .hasMessageEndingWith("letter-recognition.csv must have 20,000 rows (got 100))");
  }

  @Test
  void csv_whatIsOfPicturesAlone_isRefused() {
    assertThatThrownBy(() -> recipe("csv: a.csv, label: b, augmentation: {crop: 1}"))
        .hasMessageEndingWith(
            ":3: augmentation must not be given for a table, which has no pixels (got it)");
    assertThatThrownBy(() -> recipe("csv: a.csv, label: b, normalization: imagenet"))
        .hasMessageEndingWith(
            ":3: normalization must not be given for a table, which standardises by itself"
                + " (got it)");
  }

  @Test
  void csv_separator_isOneCharacter() throws IOException {
    Files.writeString(folder.resolve("a.csv"), "x;b\n1;yes\n2;no\n3;yes\n4;no\n");
    Recipe recipe = recipe("csv: a.csv, label: b, separator: ';', validation: 0.5");
    assertThat(recipe.data().source().open(Optional.empty()).test().size()).isEqualTo(2);
    assertThat(recipe("csv: a.csv, label: b, separator: \"\\t\"").data().name()).isEqualTo("a.csv");
    assertThatThrownBy(() -> recipe("csv: a.csv, label: b, separator: ';;'"))
        .isInstanceOf(RecipeException.class)
        .hasMessageEndingWith(":3: separator must be one character (got ;;)");
  }

  @Test
  void csv_validationBesideATestPart_isRefused() throws IOException {
    Files.writeString(folder.resolve("a.csv"), "x,b\n1,yes\n2,no\n3,yes\n4,no\n");
    DataSource both = recipe("csv: a.csv, test: a.csv, label: b").data().source();
    assertThat(both.open(Optional.empty()).test().size()).isEqualTo(4);
    DataSource split = recipe("csv: a.csv, test: a.csv, label: b, validation: 0.5").data().source();
    assertThatThrownBy(() -> split.open(Optional.empty()))
        .isInstanceOf(RecipeException.class)
        .hasMessageEndingWith(
            ":3: validation must not be given for data with a test part (got 0.5)");
  }

  @Test
  void cifar_folders_areTheirs() throws IOException {
    DataSource cifar = recipe("cifar: .").data().source();
    for (int i = 1; i <= 5; i++) {
      Files.write(folder.resolve("data_batch_" + i + ".bin"), new byte[2 * 3073]);
    }
    Files.write(folder.resolve("test_batch.bin"), new byte[3073]);
    DataParts ten = cifar.open(Optional.empty());
    assertThat(ten.train().size()).isEqualTo(10);
    assertThat(ten.train().classes()).isEqualTo(10);
    assertThat(ten.credit()).endsWith("CIFAR-10");
    Files.write(folder.resolve("train.bin"), new byte[3 * 3074]);
    Files.write(folder.resolve("test.bin"), new byte[3074]);
    DataParts hundred = cifar.open(Optional.empty());
    assertThat(hundred.train().size()).isEqualTo(3);
    assertThat(hundred.train().classes()).isEqualTo(100);
  }

  @Test
  void idx_ofADefaultRecipe_isCroppedByTwoPixels() throws IOException {
    writeIdx("train", 300, 5);
    writeIdx("t10k", 10, 5);
    Recipe recipe = DefaultRecipe.of(DataSpec.parse("idx:" + folder, null)).recipe();
    assertThat(recipe.text()).contains("  augmentation: {crop: 2}\n");
    assertThat(recipe.teacher().batch()).isEqualTo(64);
    assertThat(recipe.teacher().network().name()).isEqualTo("resnet20");
  }

  @Test
  void folder_ofSeveralParts_isNotSplit() throws IOException {
    for (String part : new String[] {"train/a", "train/b", "val/a", "val/b"}) {
      Pictures.write(folder.resolve(part), 8, 3, BufferedImage.TYPE_INT_RGB);
    }
    DataParts parts = recipe("folder: ., size: 8").data().source().open(Optional.empty());
    assertThat(parts.train().size()).isEqualTo(6);
    assertThat(parts.test().size()).isEqualTo(6);
    DataSource split = recipe("folder: ., size: 8, validation: 0.5").data().source();
    assertThatThrownBy(() -> split.open(Optional.empty()))
        .isInstanceOf(RecipeException.class)
        .hasMessageEndingWith(
            ":3: validation must not be given for data with a test part (got 0.5)");
    Pictures.write(folder.resolve("one/a"), 8, 3, BufferedImage.TYPE_INT_RGB);
    DataSource oneClass = recipe("train: one, test: one, size: 8").data().source();
    assertThatThrownBy(() -> oneClass.open(Optional.empty()))
        .isInstanceOf(RecipeException.class)
        .hasMessageEndingWith("data must have at least two classes (got one, a)");
  }

  @Test
  void folder_randomCrops_areCutFromTheResizedPictures() throws IOException {
    for (String part : new String[] {"a", "b"}) {
      Pictures.write(folder.resolve(part), 20, 4, BufferedImage.TYPE_INT_RGB);
    }
    String crops = ", augmentation: {random_resized_crop: {scale: [0.5, 1]}}";
    assertThat(trainSide("size: 8, resize: 16" + crops)).isEqualTo(16);
    assertThat(trainSide("size: 8" + crops)).isEqualTo(8);
    assertThat(trainSide("size: 8, resize: 16")).isEqualTo(8);
    assertThat(trainSide("size: 8, resize: 8" + crops)).isEqualTo(8);
    assertThatThrownBy(() -> trainSide("size: 8, resize: 7"))
        .isInstanceOf(RecipeException.class)
        .hasMessageEndingWith(":3: resize must be at least the size, 8 (got 7)");
  }

  private int trainSide(String options) throws IOException {
    DataParts parts = recipe("folder: ., " + options).data().source().open(Optional.empty());
    assertThat(parts.shape().height()).isEqualTo(8);
    assertThat(parts.test().shape().height()).isEqualTo(8);
    return parts.train().shape().height();
  }

  @Test
  void folder_whatIsCutOut_becomesTheMean() throws IOException {
    Recipe recipe =
        recipe(
            "folder: ., normalization: {mean: [0.5], deviation: [2]}, augmentation: {cutout: 4}");
    assertThat(recipe.data().augmentation().cutout().orElseThrow().value()).containsExactly(0.5);
  }

  @Test
  void source_noneOrTwo_isRefused() throws IOException {
    assertThatThrownBy(() -> recipe("labels_per_class: 5"))
        .hasMessageContaining(":3: data must have one of ")
        .hasMessageEndingWith(" (got none)");
    assertThatThrownBy(() -> recipe("name: digits, idx: ."))
        .hasMessageEndingWith(":3: idx must not be given with name (got both)");
  }

  private Recipe recipe(String data) throws IOException {
    Path file = folder.resolve("recipe.yaml");
    Files.writeString(
        file,
        """
        name: own
        source: a test
        data: {%s}
        teacher: {network: resnet8, epochs: 1, batch: 4}
        student: {network: resnet8, epochs: 1, batch: 4}
        optimizer: {name: sgd, learning_rate: 0.1}
        methods: {student: {stages: [{cross_entropy: 1}]}}
        """
            .formatted(data));
    return Recipes.load(file.toString());
  }

  /** Writes rows whose letters take turns; numbers are 0, 1, 0, … up to row 16,000, then 9. */
  private void writeLetters(int count) throws IOException {
    StringBuilder csv = new StringBuilder("lettr");
    for (int i = 0; i < 16; i++) {
      csv.append(",x").append(i);
    }
    for (int i = 0; i < count; i++) {
      csv.append('\n').append((char) ('A' + i % 26));
      csv.append(("," + (i < 16_000 ? i % 2 : 9)).repeat(16));
    }
    Files.writeString(folder.resolve("letter-recognition.csv"), csv);
  }

  /** Writes images of 28 × 28, whose classes take turns. */
  private void writeIdx(String part, int count, int classes) throws IOException {
    ByteBuffer images = ByteBuffer.allocate(16 + count * 784);
    images.putInt(0x803).putInt(count).putInt(28).putInt(28);
    ByteBuffer labels = ByteBuffer.allocate(8 + count);
    labels.putInt(0x801).putInt(count);
    for (int i = 0; i < count; i++) {
      labels.put((byte) (i % classes));
    }
    Files.write(folder.resolve(part + "-images-idx3-ubyte"), images.array());
    Files.write(folder.resolve(part + "-labels-idx1-ubyte"), labels.array());
  }
}
