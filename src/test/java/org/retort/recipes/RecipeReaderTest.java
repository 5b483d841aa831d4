package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.train.TeacherBatchNorm;
import org.retort.train.TeacherMean;

final class RecipeReaderTest {
  private static final String RECIPE =
      """
      name: small
      source: a test
      data: {name: digits, augmentation: {crop: 1}, labels_per_class: 5}
      teacher: {network: resnet20, epochs: 20, batch: 64}
      student: {network: resnet8, epochs: 10, batch: 32, unlabeled_batch: 96}
      optimizer:
        name: sgd
        learning_rate: 0.1
        momentum: 0.9
        schedule: {name: milestones, at: [0.5, 8], factor: 0.1}
      methods:
        two:
          stages:
            - {epochs: 3, cross_entropy: 0, train: backbone, teacher_batch_norm: training, terms: [&kd {loss: kd, temperature: 4, weight: 2}]}
            - {terms: [*kd, {name: maps, loss: nst, taps: [layers]}]}
      """;

  @Test
  void read_recipe_hasWhatItSays() {
    Recipe recipe = RecipeReader.read("a.yaml", RECIPE);
    assertThat(recipe.name()).isEqualTo("small");
    assertThat(recipe.title()).isEqualTo("small");
    assertThat(recipe.source()).isEqualTo("a test");
    assertThat(recipe.text()).isEqualTo(RECIPE);
    assertThat(recipe.data().labelsPerClass()).isEqualTo(OptionalInt.of(5));
    assertThat(recipe.teacher().seed()).isZero();
    assertThat(recipe.student().unlabeledBatch()).isEqualTo(OptionalInt.of(96));
    Method method = recipe.methods().get(0);
    assertThat(method.title()).isEqualTo("two");
    assertThat(method.stages()).hasSize(2);
    StageRecipe first = method.stages().get(0);
    assertThat(first.epochs()).isEqualTo(3);
    assertThat(first.trainsBackbone()).isTrue();
    assertThat(first.teacherBatchNorm()).isEqualTo(TeacherBatchNorm.TRAINING);
    StageRecipe second = method.stages().get(1);
    assertThat(second.epochs()).isEqualTo(10);
    assertThat(second.trainsBackbone()).isFalse();
    assertThat(second.termNames()).containsExactly("kd", "maps");
    assertThat(recipe.weights()).containsOnlyKeys("kd", "maps").containsEntry("kd", 2.0);
  }

  private static final String TWO_TEACHERS =
      RECIPE
          .replace(
              "teacher: {network: resnet20, epochs: 20, batch: 64}",
              "teachers: [{name: deep, network: resnet20, epochs: 20, batch: 64, weight: 2},"
                  + " {name: small, network: resnet8, epochs: 2, batch: 32, seed: 3}]")
          .replace("temperature: 4,", "temperature: 4, teacher: {mean: probabilities},")
          .replace("taps: [layers]", "taps: [layers], teacher: small");

  @Test
  void read_severalTeachers_areListedAndNamed() {
    Recipe recipe = RecipeReader.read("a.yaml", TWO_TEACHERS);
    assertThat(recipe.teachers()).extracting(TeacherRecipe::name).containsExactly("deep", "small");
    assertThat(recipe.teachers()).extracting(TeacherRecipe::weight).containsExactly(2.0, 1.0);
    assertThat(recipe.teachers())
        .extracting(TeacherRecipe::run)
        .containsExactly("teacher-deep", "teacher-small");
    assertThat(recipe.teachers().get(1).seed()).isEqualTo(3);
    List<TermRecipe> terms = recipe.methods().get(0).stages().get(1).terms();
    assertThat(terms.get(0).teacher())
        .isEqualTo(new TeacherChoice(List.of(), Optional.of(TeacherMean.PROBABILITIES)));
    assertThat(terms.get(1).teacher())
        .isEqualTo(new TeacherChoice(List.of("small"), Optional.empty()));
    assertThatThrownBy(recipe::teacher)
        .isInstanceOf(RecipeException.class)
        .hasMessage("small: teachers must be one to be changed or trained alone (got 2)");
  }

  @Test
  void read_storedOutputs_areTeachersToo() {
    String trained = "{name: small, network: resnet8, epochs: 2, batch: 32, seed: 3}";
    String text = TWO_TEACHERS.replace(trained, "{name: small, outputs: a.outputs, weight: 3}");
    Recipe recipe = RecipeReader.read("folder/a.yaml", text);
    assertThat(recipe.teachers()).extracting(TeacherRecipe::name).containsExactly("deep");
    assertThat(recipe.storedTeachers())
        .containsExactly(
            new StoredTeacherRecipe(
                "small", 3, Path.of("folder", "a.outputs"), "folder/a.yaml:4: outputs"));
    assertThat(recipe.teacherTitles()).containsExactly("resnet20", "a.outputs");
    assertThatThrownBy(recipe::teacher)
        .isInstanceOf(RecipeException.class)
        .hasMessage(
            "small: teachers must be one to be changed or trained alone (got stored outputs)");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "network: resnet8, epochs | outputs: a, epochs | 4: key must be one of name, weight,"
            + " outputs (got epochs)",
        "name: small, network | name: deep, network | 4: name must be another for each teacher (got"
            + " deep twice)",
        "student: | `teacher: {network: resnet8}\nstudent:` | 5: teacher must not be given with"
            + " teachers (got both)",
        "mean: probabilities | mean: average | 14: mean must be one of logits, probabilities (got"
            + " average)",
        "mean: probabilities | of: [deep] | 14: mean must be given (got none)",
        "weight: 2} | weight: -2} | 4: weight must be at least 0 (got -2.0)"
      })
  void read_wrongTeachers_areRefusedWithTheirLine(String part, String other, String message) {
    String wrong = TWO_TEACHERS.replaceFirst(Pattern.quote(part), other.replace("\\n", "\n"));
    assertThatThrownBy(() -> RecipeReader.read("a.yaml", wrong))
        .isInstanceOf(RecipeException.class)
        .hasMessage("a.yaml:" + message);
  }

  @Test
  void withEpochs_half_shortensStagesOfTheirOwnLength() {
    Recipe recipe = RecipeReader.read("a.yaml", RECIPE).withEpochs(5);
    assertThat(recipe.student().epochs()).isEqualTo(5);
    assertThat(recipe.methods().get(0).stages())
        .extracting(StageRecipe::epochs)
        .containsExactly(2, 5);
    assertThat(recipe.teacher().epochs()).isEqualTo(20);
  }

  @Test
  void withWeights_ofAName_changesEveryTermOfThatName() {
    Recipe recipe = RecipeReader.read("a.yaml", RECIPE).withWeights(Map.of("kd", 0.25));
    assertThat(recipe.methods().get(0).stages())
        .allSatisfy(stage -> assertThat(stage.terms().get(0).weight()).isEqualTo(0.25));
    assertThat(recipe.methods().get(0).stages().get(1).terms().get(1).weight()).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        // keys
        "batch: 64 | bach: 64 | 4: batch must be given (got none)",
        "momentum: 0.9 | momentun: 0.9 | 9: key must be one of schedule, decay_norms_and_biases,"
            + " name, learning_rate, momentum, weight_decay, nesterov (got momentun, did you mean"
            + " momentum?)",
        "momentum: 0.9 | zzz: 0.9 | 9: key must be one of schedule, decay_norms_and_biases, name,"
            + " learning_rate, momentum, weight_decay, nesterov (got zzz)",
        "momentum: 0.9 | learning_rate: 1 | 9: learning_rate must be given once (got it twice)",
        "source: a test | title: a | 1: source must be given (got none)",
        // types
        "source: a test | source: [a] | 2: source must be a text (got a list)",
        "epochs: 20 | epochs: many | 4: epochs must be an integer between 1 and 10000 (got many)",
        "epochs: 20 | epochs: 2.5 | 4: epochs must be an integer between 1 and 10000 (got 2.5)",
        "momentum: 0.9 | momentum: much | 9: momentum must be a finite number (got much)",
        "momentum: 0.9 | momentum: .nan | 9: momentum must be a finite number (got .nan)",
        "at: [0.5, 8] | at: 0.5 | 10: at must be a list of at least one item (got 0.5)",
        "momentum: 0.9 | nesterov: 1 | 9: nesterov must be true or false (got 1)",
        "{crop: 1} | none | 3: augmentation must be a mapping (got none)",
        "*kd, | kd, | 15: terms must be a mapping (got kd)",
        // ranges
        "epochs: 20 | epochs: 0 | 4: epochs must be an integer between 1 and 10000 (got 0)",
        "batch: 64 | batch: 0 | 4: batch must be an integer of at least 1 (got 0)",
        "labels_per_class: 5 | labels_per_class: 101 | 3: labels_per_class must be an integer"
            + " between 1 and 100 (got 101)",
        "learning_rate: 0.1 | learning_rate: -1 | 8: learning_rate must be positive and finite (got"
            + " -1.0)",
        "momentum: 0.9 | momentum: 1 | 9: momentum must be at least 0 and below 1 (got 1.0)",
        "momentum: 0.9 | nesterov: true | 9: nesterov must be used with a momentum (got none)",
        "at: [0.5, 8] | at: [0.5, 0.2] | 10: at must be ascending (got [0.5, 0.2])",
        "at: [0.5, 8] | at: [10] | 10: at must be above 0 and below the 10 epochs (got 10.0)",
        "factor: 0.1 | factor: 0 | 10: factor must be positive and finite (got 0.0)",
        "weight: 2 | weight: -2 | 14: weight must be at least 0 (got -2.0)",
        "temperature: 4 | temperature: 0 | 14: temperature must be positive and finite (got 0.0)",
        "taps: [layers] | degree: 17 | 15: degree must be between 1 and 16 (got 17)",
        // choices
        "network: resnet8 | network: resnet9 | 5: network must be one of resnet8, resnet14,"
            + " resnet20, resnet32, resnet44, resnet56, resnet110, resnet8x4, resnet32x4,"
            + " wrn_16_1,"
            + " wrn_16_2, wrn_40_1, wrn_40_2, vgg8, vgg11, vgg13, vgg16, vgg19, MobileNetV2,"
            + " ShuffleV1, ShuffleV2, resnet18, resnet34, resnet50, mobilenet_v2, mlp_<units>_..."
            + " (got resnet9, did you mean resnet8?)",
        "name: digits | name: digit | 3: name must be one of cifar10, cifar100, digits,"
            + " fashion-mnist, letters, mnist (got digit, did you mean digits?)",
        "loss: nst | loss: at | 15: loss must be one of crd, dkd, fsp, kd, nst, ofd, program,"
            + " registered (got at)",
        "name: sgd | name: lion | 7: name must be one of sgd, adam (got lion)",
        "train: backbone | train: head | 14: train must be one of all, backbone (got head)",
        "name: small | name: A b | 1: name must be of small letters, digits and hyphens (got A b)",
        // what does not go together
        ", unlabeled_batch: 96 | `` | 5: unlabeled_batch must be given if, and only if, data has"
            + " labels_per_class (got none)",
        ", labels_per_class: 5 | `` | 5: unlabeled_batch must be given if, and only if, data has"
            + " labels_per_class (got 96)",
        // YAML
        "methods: | methods: [ | a.yaml:13: recipe must be YAML"
      })
  void read_wrongRecipe_tellsFileLineAndRule(String part, String other, String message) {
    assertThat(RECIPE).contains(part);
    int at = RECIPE.indexOf(part);
    String wrong = RECIPE.substring(0, at) + other + RECIPE.substring(at + part.length());
    assertThatThrownBy(() -> RecipeReader.read("a.yaml", wrong))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith("a.yaml:")
        .hasMessageContaining(message);
  }

  /** In each mapping of a recipe. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "name: small\\n | name: small\\nzzz: 1\\n | 2",
        "name: digits, | name: digits, zzz: 1, | 3",
        "crop: 1 | crop: 1, zzz: 1 | 3",
        "{crop: 1} | {crop: 1}, normalization: {mean: [0], deviation: [1], zzz: 1} | 3",
        "epochs: 20, batch | zzz: 1, epochs: 20, batch | 4",
        "epochs: 10, | epochs: 10, zzz: 1, | 5",
        "name: milestones, | name: milestones, zzz: 1, | 10",
        "two:\\n | two:\\n    zzz: 1\\n | 13",
        "epochs: 3, | epochs: 3, zzz: 1, | 14",
        "{loss: kd, | {zzz: 1, loss: kd, | 14",
        "loss: kd, | loss: kd, teacher: {mean: logits, zzz: 1}, | 14",
        "[layers] | {student: [layer1], teacher: [layer1], zzz: 1} | 15",
      })
  void read_unknownKey_isRefusedWithItsLine(String part, String other, int line) {
    String wrong =
        RECIPE.replace(part.strip().replace("\\n", "\n"), other.strip().replace("\\n", "\n"));
    assertThat(wrong).isNotEqualTo(RECIPE);
    assertThatThrownBy(() -> RecipeReader.read("a.yaml", wrong))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith("a.yaml:" + line + ": key must be one of ")
        .hasMessageEndingWith(" (got zzz)");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "normalization: {mean: [0], deviation: [0]} | deviation must be positive (got 0.0)",
        "normalization: {mean: [0], deviation: [1, 1]} | deviation must have the same length as"
            + " mean (got 2)",
        "validation: 0 | validation must be between 0 and 1 (got 0.0)",
        "validation: 1 | validation must be between 0 and 1 (got 1.0)"
      })
  void read_wrongData_areRefusedWithTheirLine(String option, String message) {
    String wrong = RECIPE.replace("name: digits", "idx: ., " + option);
    assertThatThrownBy(() -> RecipeReader.read("a.yaml", wrong))
        .isInstanceOf(RecipeException.class)
        .hasMessage("a.yaml:3: " + message);
  }

  @Test
  void withTeacher_ofATrainedTeacher_mustBeTrainedToo() {
    String trained = RECIPE.replace("resnet20, epochs: 20, batch: 64", "resnet20, weights: a.pt");
    Recipe recipe = RecipeReader.read("a.yaml", trained);
    Recipe other = recipe.withTeacher("resnet14", Path.of("b.pt"));
    assertThat(other.teacher().network().name()).isEqualTo("resnet14");
    assertThat(other.teacher().isTrainedHere()).isFalse();
    assertThatThrownBy(() -> recipe.withTeacher("resnet14"))
        .isInstanceOf(RecipeException.class)
        .hasMessage("teacher must have epochs to train another network (got none for resnet14)");
    Recipe again = RecipeReader.read("a.yaml", RECIPE).withTeacher("resnet14");
    assertThat(again.teacher().isTrainedHere()).isTrue();
    assertThat(again.teacher().epochs()).isEqualTo(20);
  }

  @Test
  void withLabelsPerClass_ofARecipeWithThem_isAnotherNumber() {
    Recipe recipe = RecipeReader.read("a.yaml", RECIPE).withLabelsPerClass(2);
    assertThat(recipe.data().labelsPerClass()).isEqualTo(OptionalInt.of(2));
    String all = RECIPE.replace(", labels_per_class: 5", "").replace(", unlabeled_batch: 96", "");
    Recipe labeled = RecipeReader.read("a.yaml", all);
    assertThatThrownBy(() -> labeled.withLabelsPerClass(2))
        .isInstanceOf(RecipeException.class)
        .hasMessage("small: labels_per_class must be part of the recipe to be changed (got none)");
  }

  @Test
  void hasTeacher_ofAMethod_isThatOfAnyStage() {
    Recipe recipe =
        RecipeReader.read(
            "a.yaml",
            RECIPE
                + "  alone:\n    stages: [{cross_entropy: 1}]\n"
                + "  later:\n    stages: [{epochs: 1, cross_entropy: 1}, {terms: [*kd]}]\n");
    assertThat(recipe.methods()).extracting(Method::hasTeacher).containsExactly(true, false, true);
  }

  @Test
  void read_empty_isRefused() {
    assertThatThrownBy(() -> RecipeReader.read("a.yaml", ""))
        .hasMessage("a.yaml: recipe must be a mapping (got nothing)");
  }
}
