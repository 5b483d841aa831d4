package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.retort.RetortException;
import org.retort.data.Batch;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.Preprocessing;
import org.retort.testing.OwnLosses;
import org.retort.testing.RankThreads;
import org.retort.train.BatchNormOver;
import org.retort.train.StepResult;
import org.retort.train.StoredOutputs;
import org.retort.train.StoredOutputsFormat;
import org.retort.train.StoredOutputsWriter;
import org.retort.train.TrainingStep;

final class ExperimentTest {
  static Stream<String> names() {
    return Recipes.names().stream();
  }

  @ParameterizedTest
  @MethodSource("names")
  void step_everyMethodOfEveryRecipe_isBuilt(String name) {
    Experiment experiment = Experiment.onNoise(Recipes.load(name));
    Recipe recipe = experiment.recipe();
    assertThat(recipe.name()).isEqualTo(name);
    assertThat(recipe.source()).isNotBlank();
    try (NetworkList teachers = experiment.teachers();
        Network student = experiment.student(0)) {
      for (Method method : recipe.methods()) {
        for (StageRecipe stage : method.stages()) {
          try (TrainingStep step = experiment.step(stage, student, teachers.all())) {
            assertThat(step.learningRate()).as(method.name()).isPositive();
            assertThat(step.teacherTaps().isEmpty())
                .as(method.name())
                .isEqualTo(
                    stage.terms().stream().allMatch(term -> term.taps().teacher().isEmpty()));
          }
        }
      }
    }
  }

  @Test
  void over_severalRanks_dividesEachBatch() throws Exception {
    Recipe recipe = Recipes.load("digits");
    Experiment alone = Experiment.onNoise(recipe);
    Method method = recipe.withMethods(Set.of("kd")).methods().get(0);
    StageRecipe stage = method.stages().get(0);
    List<Long> sizes =
        RankThreads.run(
            3,
            ranks -> {
              Experiment shared = Experiment.onNoise(recipe).over(ranks, BatchNormOver.OWN_BATCH);
              assertThat(shared.ranks()).isSameAs(ranks);
              assertThat(shared.on("cpu").ranks()).isSameAs(ranks);
              assertThat(shared.images(method)).isEqualTo(alone.images(method));
              try (DatasetBatches batches = shared.batches(stage, 0)) {
                batches.startEpoch(0);
                return (long) batches.next().labels().remaining();
              }
            });
    assertThat(sizes).containsExactlyInAnyOrder(43L, 43L, 42L);
    assertThat(alone.imagesPerStep(stage)).isEqualTo(128);
    assertThat(alone.ranks().size()).isEqualTo(1);
  }

  @Test
  void network_mlp_takesAllPixels() {
    Experiment experiment = Experiment.onNoise(Recipes.load("digits"));
    try (Network network = experiment.network("mlp_8", 0)) {
      assertThat(network.inputShape()).containsExactly(1, 8, 8);
      assertThat(network.parameterCount()).isEqualTo(64 * 8 + 8 + 8 * 10 + 10);
    }
    assertThatThrownBy(() -> experiment.network("mlp", 0))
        .isInstanceOf(RecipeException.class)
        .hasMessageEndingWith("mobilenet_v2, mlp_<units>_... (got mlp)");
  }

  @Test
  void step_everyMethodOfFashionMnist_learnsFromABatch() {
    Experiment experiment = Experiment.onNoise(small(Recipes.load("fashion-mnist")));
    Recipe recipe = experiment.recipe();
    try (NetworkList teachers = experiment.teachers()) {
      for (Method method : recipe.methods()) {
        StageRecipe stage = method.stages().get(0);
        try (Network student = experiment.student(0);
            DatasetBatches batches = experiment.batches(stage, 0);
            TrainingStep step = experiment.step(stage, student, teachers.all())) {
          StepResult result = step.newResult();
          batches.startEpoch(0);
          Batch batch = batches.next();
          step.run(batch.images(), batch.labels(), batch.indices(), result);
          assertThat(result.total()).as(method.name()).isFinite();
          assertThat(result.terms()).isEqualTo(stage.terms().size());
        }
      }
    }
  }

  @Test
  void network_ofANormalizedRecipe_keepsTheNormalizationWithItsWeights(@TempDir Path folder) {
    Experiment experiment = Experiment.onNoise(Recipes.load("fashion-mnist"));
    Path file = folder.resolve("student.pt");
    Preprocessing expected =
        Preprocessing.of(1, 28, 28).withNormalization(new double[] {0.286}, new double[] {0.353});
    try (Network student = experiment.network("resnet8", 0);
        Network other = Networks.create("resnet8", 10, 1)) {
      assertThat(student.preprocessing()).isEqualTo(expected);
      student.saveStateDict(file);
      other.loadStateDict(file);
      assertThat(other.preprocessing()).isEqualTo(expected);
    }
  }

  /** The recipe of docs/your-loss.md. */
  @Test
  void step_lossesOfOnesOwn_areReadBesideTheRecipeAndAreTheSame(@TempDir Path folder)
      throws IOException {
    Files.copy(OwnLosses.PROGRAM, folder.resolve("attention_transfer.ts"));
    // a copy would be another library with the same name
    Files.createSymbolicLink(folder.resolve("libattention_transfer.so"), OwnLosses.builtLibrary());
    String page = Files.readString(Path.of("docs/your-loss.md"));
    Path file = folder.resolve("recipe.yaml");
    Files.writeString(file, page.replaceFirst("(?s).*```yaml\n(.*?)```.*", "$1"));
    Experiment experiment = Experiment.onNoise(Recipes.load(file.toString()));
    Recipe recipe = experiment.recipe();
    assertThat(recipe.methodNames()).containsExactly("program", "library");
    List<Double> losses = new ArrayList<>();
    try (Network teacher = experiment.teacher(recipe.teacher())) {
      for (Method method : recipe.methods()) {
        StageRecipe stage = method.stages().get(0);
        try (Network student = experiment.student(0);
            DatasetBatches batches = experiment.batches(stage, 0);
            TrainingStep step = experiment.step(stage, student, List.of(teacher))) {
          StepResult result = step.newResult();
          batches.startEpoch(0);
          Batch batch = batches.next();
          step.run(batch.images(), batch.labels(), batch.indices(), result);
          losses.add(result.term(0));
        }
      }
    }
    assertThat(losses.get(0)).isPositive();
    assertThat(losses.get(0)).isCloseTo(losses.get(1), withinPercentage(0.01));
  }

  /** The batch counts most for the time that a step takes. */
  private static Recipe small(Recipe recipe) {
    return RecipeReader.read("small", recipe.text().replace("batch: 64", "batch: 4"));
  }

  @Test
  void step_fspInRepDistiller_trainsTheBackboneAlone() {
    Experiment experiment =
        Experiment.onNoise(
            Recipes.load("cifar100-repdistiller").withTeacher("resnet20").withStudent("resnet8"));
    StageRecipe stage = method(experiment, "fsp").stages().get(0);
    assertThat(stage.epochs()).isEqualTo(30);
    try (NetworkList teachers = experiment.teachers();
        Network student = experiment.network("resnet8", 0);
        TrainingStep step = experiment.step(stage, student, teachers.all())) {
      assertThat(step.state().keySet())
          .anyMatch(name -> name.startsWith("momentum.student.layer3."))
          .noneMatch(name -> name.startsWith("momentum.student.fc."));
    }
  }

  @Test
  void step_ofSeveralTeachers_learnsFromThem() {
    String text =
        Recipes.load("digits")
            .text()
            .replaceFirst(
                "(?s)teacher:.*?\n\n",
                """
                teachers:
                  - {name: one, network: resnet8, epochs: 1, batch: 64, weight: 3}
                  - {name: two, network: resnet20, epochs: 1, batch: 64, seed: 1}

                """)
            .replaceFirst(
                "(?s)methods:.*",
                """
                methods:
                  both:
                    stages:
                      - terms:
                          - {loss: kd, temperature: 4, teacher: {mean: logits}}
                          - {loss: kd, temperature: 4, teacher: {mean: probabilities, of: [two]}}
                          - {loss: nst, taps: [layers], teacher: two}
                          - {loss: ofd, margins: teacher, taps: [layers.pre], teacher: one}
                  unnamed:
                    stages: [{terms: [{loss: kd, temperature: 4}]}]
                """);
    Experiment experiment = Experiment.open(RecipeReader.read("two", text), Optional.empty());
    experiment.checkTeachers();
    StageRecipe stage = method(experiment, "both").stages().get(0);
    try (NetworkList teachers = experiment.teachers();
        Network student = experiment.network("resnet8", 0);
        DatasetBatches batches = experiment.batches(stage, 0);
        TrainingStep step = experiment.step(stage, student, teachers.all())) {
      assertThat(step.teacherTaps("one")).hasSize(3);
      assertThat(step.teacherTaps("two")).hasSize(3);
      StepResult result = step.newResult();
      batches.startEpoch(0);
      Batch batch = batches.next();
      step.run(batch, result);
      assertThat(result.terms()).isEqualTo(4);
      assertThat(result.total()).isFinite();
    }
    assertThatThrownBy(() -> experiment.check(List.of(method(experiment, "unnamed"))))
        .isInstanceOf(RecipeException.class)
        .hasMessageEndingWith(
            "method unnamed, stage 1, term kd: teacher of a term must be named where there are"
                + " several, one, two (got no name)");
  }

  /** Returns the recipe of digits with another teacher and stages of these terms. */
  private static Recipe digits(Path file, String teacher, String terms) {
    String text =
        Recipes.load("digits")
            .text()
            .replaceFirst("(?s)teacher:.*?\n\n", teacher + "\n\n")
            .replaceFirst("(?s)methods:.*", "methods: {one: {stages: [{terms: [" + terms + "]}]}}");
    return RecipeReader.read(file.toString(), text);
  }

  @Test
  void step_storedOutputs_areAsGoodAsTheirNetwork(@TempDir Path folder) {
    Path file = folder.resolve("recipe.yaml");
    String first = "{name: a, weight: 3, network: resnet8, epochs: 1, batch: 64}";
    String second = "{name: b, network: resnet8, epochs: 1, batch: 64, seed: 1}";
    String terms =
        "{loss: kd, temperature: 4, teacher: {mean: probabilities}},"
            + " {loss: nst, taps: [layers], teacher: a}";
    Experiment live =
        Experiment.open(
            digits(file, "teachers: [%s, %s]".formatted(first, second), terms), Optional.empty());
    try (NetworkList teachers = live.teachers()) {
      // in another order than the network's
      store(live, teachers.all().get(0), folder, "layer3", "layer1", "layer2");
      String outputs = "{name: a, weight: 3, outputs: a.outputs}";
      Experiment stored =
          Experiment.open(
              digits(file, "teachers: [%s, %s]".formatted(second, outputs), terms),
              Optional.empty());
      stored.check(stored.recipe().methods());
      assertThat(firstTerms(stored, teachers.all().subList(1, 2)))
          .containsExactly(firstTerms(live, teachers.all()), within(1e-4));

      String ofOne = "{loss: kd, temperature: 4}, {loss: nst, taps: [layers]}";
      Experiment alone =
          Experiment.open(digits(file, "teacher: {outputs: a.outputs}", ofOne), Optional.empty());
      alone.checkTeachers();
      alone.check(alone.recipe().methods());
      assertThat(firstTerms(alone, List.of())[1])
          .isCloseTo(firstTerms(live, teachers.all())[1], within(1e-4));
    }
  }

  /** Stores what a teacher says of an experiment's training samples, as {@code a.outputs}. */
  private static void store(Experiment experiment, Network teacher, Path folder, String... taps) {
    StoredOutputsFormat format =
        StoredOutputsFormat.of(experiment.sampleCount(), teacher.classes());
    for (String tap : taps) {
      format = format.withTap(tap, teacher.tapShape(tap));
    }
    try (StoredOutputsWriter writer = StoredOutputs.writer(folder.resolve("a.outputs"), format);
        DatasetBatches batches = experiment.samplesInOrder()) {
      batches.startEpoch(0);
      for (int i = 0; i < batches.stepsPerEpoch(); i++) {
        Batch batch = batches.next();
        writer.write(batch.indices(), teacher, batch.images());
      }
      writer.finish();
    }
  }

  /** Returns the terms of the first step on images that are not augmented. */
  private static double[] firstTerms(Experiment experiment, List<Network> teachers) {
    StageRecipe stage = method(experiment, "one").stages().get(0);
    try (Network student = experiment.network("resnet8", 5);
        DatasetBatches batches = experiment.samplesInOrder();
        TrainingStep step = experiment.step(stage, student, teachers)) {
      StepResult result = step.newResult();
      batches.startEpoch(0);
      step.run(batches.next(), result);
      return IntStream.range(0, result.terms()).mapToDouble(result::term).toArray();
    }
  }

  @Test
  void open_storedOutputsThatDoNotFit_areRefusedWithTheirLine(@TempDir Path folder) {
    Path file = folder.resolve("recipe.yaml");
    String teacher = "teacher: {outputs: a.outputs}";
    int line = 1 + (int) Recipes.load("digits").text().split("teacher:")[0].lines().count();
    String place = file + ":" + line + ": outputs";
    Recipe recipe = digits(file, teacher, "{loss: ofd, margins: teacher, taps: [layer1]}");
    assertThatThrownBy(() -> Experiment.open(recipe, Optional.empty()))
        .isInstanceOf(RecipeException.class)
        .hasMessage(
            place + ": path must be an existing file (got " + folder.resolve("a.outputs") + ")");
    Experiment noise = Experiment.onNoise(Recipes.load("digits"));
    try (Network network = noise.network("resnet8", 0)) {
      store(noise, network, folder, "layer1");
      Experiment fits = Experiment.open(recipe, Optional.empty());
      assertThatThrownBy(() -> fits.check(fits.recipe().methods()))
          .isInstanceOf(RecipeException.class)
          .hasMessageEndingWith(
              "method one, stage 1, term ofd: margins must be batch if outputs are stored (got"
                  + " teacher)");
      StoredOutputsFormat small = StoredOutputsFormat.of(3, 10);
      try (StoredOutputsWriter writer = StoredOutputs.writer(folder.resolve("a.outputs"), small)) {
        writer.finish();
      }
    }
    assertThatThrownBy(() -> Experiment.open(recipe, Optional.empty()))
        .isInstanceOf(RecipeException.class)
        .hasMessage(place + " must be of 1438 training samples (got 3)");
  }

  @Test
  void teacherStep_digits_dropsItsLearningRateAtSixtyAndEightyPercent() {
    Recipe recipe = Recipes.load("digits").withTeacherEpochs(1);
    Experiment experiment = Experiment.open(recipe, Optional.empty());
    try (Network teacher = experiment.network("resnet8", 0);
        DatasetBatches batches = experiment.teacherBatches(recipe.teacher());
        TrainingStep step = experiment.teacherStep(recipe.teacher(), teacher)) {
      assertThat(batches.stepsPerEpoch()).isEqualTo(22);
      batches.startEpoch(0);
      StepResult result = step.newResult();
      for (int i = 0; i < 22; i++) {
        Batch batch = batches.next();
        step.run(batch.images(), batch.labels(), batch.indices(), result);
        double expected = i < 13 ? 0.1 : i < 17 ? 0.01 : 0.001;
        assertThat(result.learningRate()).as("step %d", i).isCloseTo(expected, within(1e-9));
      }
    }
  }

  @Test
  void steps_ofAMethod_areThoseOfItsStages() {
    Recipe recipe = Recipes.load("digits").withEpochs(4).withTeacherEpochs(3);
    Experiment experiment = Experiment.open(recipe, Optional.empty());
    assertThat(experiment.device()).isEqualTo("cpu");
    assertThat(experiment.credit()).contains("UCI");
    Method kd = method(experiment, "kd");
    long steps = experiment.steps(kd);
    assertThat(steps)
        .isEqualTo(
            kd.stages().stream().mapToLong(StageRecipe::epochs).sum() * stepsOf(kd, experiment));
    assertThat(experiment.images(kd))
        .isEqualTo(steps * experiment.imagesPerStep(kd.stages().get(0)));
    assertThat(experiment.images(recipe.teacher())).isEqualTo(3L * 22 * 64);
  }

  @Test
  void accuracy_ofANetwork_isThatOfItsMetrics() {
    Experiment experiment = Experiment.open(Recipes.load("digits"), Optional.empty());
    try (Network network = experiment.network("resnet8", 0)) {
      assertThat(experiment.accuracy(network))
          .isPositive()
          .isEqualTo(experiment.metrics(network).accuracy());
    }
  }

  private static int stepsOf(Method method, Experiment experiment) {
    try (DatasetBatches batches = experiment.batches(method.stages().get(0), 0)) {
      return batches.stepsPerEpoch();
    }
  }

  @Test
  void open_networksThatDoNotFit_areRefused(@TempDir Path folder) throws IOException {
    Path program = Path.of("native", "tests", "exported", "residual-2.10.pt2").toAbsolutePath();
    String kd = "{loss: kd, temperature: 4}";
    Path file = folder.resolve("recipe.yaml");
    Recipe teacher = digits(file, "teacher: {network: " + program + "}", kd);
    assertThatThrownBy(() -> Experiment.onNoise(teacher))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith(file + ":");
    Recipe student =
        RecipeReader.read(
            file.toString(),
            Recipes.load("digits").text().replaceFirst("network: resnet8", "network: " + program));
    assertThatThrownBy(() -> Experiment.onNoise(student))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith(file + ":");
  }

  @Test
  void open_labelsOfAllSamples_isRefused() {
    String text =
        Recipes.load("digits").text().replaceFirst("student:", "student:\n  samples_per_class: 5");
    assertThatThrownBy(() -> Experiment.onNoise(RecipeReader.read("a.yaml", text)))
        .isInstanceOf(RecipeException.class)
        .hasMessage(
            "digits: data.labels_per_class must leave samples without labels (got 5, of all 50"
                + " samples)");
  }

  @Test
  void on_noSuchDevice_isRefused() {
    Experiment experiment = Experiment.onNoise(Recipes.load("digits"));
    assertThatThrownBy(() -> experiment.on("toaster")).isInstanceOf(RecipeException.class);
  }

  @Test
  void of_networksOfWhichOneFails_closesTheOthers() {
    List<Network> made = new ArrayList<>();
    assertThatThrownBy(
            () ->
                NetworkList.of(
                    List.of("resnet8", "none"),
                    name -> {
                      made.add(Networks.create(name, 10, 1));
                      return made.get(0);
                    }))
        .isInstanceOf(RetortException.class);
    assertThatThrownBy(made.get(0)::taps).isInstanceOf(IllegalStateException.class);
    NetworkList list = NetworkList.of(List.of("resnet8"), name -> Networks.create(name, 10, 1));
    list.close();
    assertThatThrownBy(list.all().get(0)::taps).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void overShards_samplesPerClass_areRefused() throws Exception {
    Recipe recipe =
        RecipeReader.read(
            "a.yaml",
            Recipes.load("digits")
                .text()
                .replaceFirst("student:", "student:\n  samples_per_class: 20"));
    Dataset rows = Experiment.open(Recipes.load("digits"), Optional.empty()).test();
    List<Integer> sizes =
        RankThreads.run(
            2,
            ranks -> {
              assertThatThrownBy(
                      () -> Experiment.overShards(recipe, rows, ranks, BatchNormOver.OWN_BATCH))
                  .isInstanceOf(RecipeException.class)
                  .hasMessage(
                      "digits: student.samples_per_class must not be set for training on shards"
                          + " (got 20)");
              Experiment shards =
                  Experiment.overShards(
                      Recipes.load("digits"), rows, ranks, BatchNormOver.OWN_BATCH);
              return shards.trainSize();
            });
    assertThat(sizes).containsExactly(rows.size(), rows.size());
  }

  private static Method method(Experiment experiment, String name) {
    return experiment.recipe().methods().stream()
        .filter(method -> method.name().equals(name))
        .findFirst()
        .orElseThrow();
  }
}
