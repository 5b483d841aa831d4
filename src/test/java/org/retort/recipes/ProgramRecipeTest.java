package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.testing.Bits;

/** Networks that a recipe takes from files: exported programs, TorchScript and weights. */
final class ProgramRecipeTest {
  private static final String PROGRAM = "native/tests/exported/residual-2.10.pt2";
  private static final String TRAINED = "teacher: {network: %s}";

  @TempDir private Path folder;

  @BeforeEach
  void writeEightClasses() throws IOException {
    for (char name = 'a'; name <= 'h'; name++) {
      Path pictures = folder.resolve("data/" + name);
      Pictures.write(pictures, 6, 4, BufferedImage.TYPE_INT_RGB);
    }
  }

  @Test
  void taps_ofTheTerms_areWhatTheNetworksReturn() {
    Experiment experiment =
        experiment(
            TRAINED,
            "{loss: nst, taps: [layers]}, {loss: nst, taps: [layer1]},"
                + " {loss: nst, taps: {student: [layer1.0], teacher: [layer1.1.conv1]}}");
    experiment.check(experiment.recipe().methods());
    assertThat(tapsOfStudent(experiment)).containsExactlyInAnyOrder("layer1", "layer2", "layer1.0");
    assertThat(tapsOfTeacher(experiment, 0))
        .containsExactlyInAnyOrder("layer1", "layer2", "layer1.1.conv1");
  }

  @Test
  void taps_ofAFullCopy_areNone() {
    Experiment experiment = experiment(TRAINED, "{loss: kd, temperature: 4}");
    assertThat(tapsOfStudent(experiment)).isEmpty();
    assertThat(tapsOfTeacher(experiment, 0)).isEmpty();
  }

  @Test
  void taps_thatTheRecipeNames_areFoundByNameAndGroup() {
    Experiment experiment =
        experiment(
            "teacher: {network: %s, taps: {early: layer1.0, layer2: layer2, rest: layer2.0}}",
            "{loss: nst, taps: {student: [layer1], teacher: [early]}},"
                + " {loss: nst, taps: {student: [layer2], teacher: [layers]}}");
    experiment.check(experiment.recipe().methods());
    assertThat(tapsOfTeacher(experiment, 0)).containsExactlyInAnyOrder("early", "layer2");
  }

  @Test
  void taps_ofSeveralTeachers_areThoseOfTheirOwnTerms() {
    Experiment experiment =
        experiment(
            "teachers: [{name: one, network: %1$s}, {name: two, network: %1$s}]",
            "{loss: nst, taps: {student: [layer1], teacher: [layer1.0]}, teacher: one},"
                + " {loss: nst, taps: {student: [layer1], teacher: [layer1.1]}, teacher: two}");
    assertThat(tapsOfTeacher(experiment, 0)).containsExactly("layer1.0");
    assertThat(tapsOfTeacher(experiment, 1)).containsExactly("layer1.1");
  }

  @Test
  void taps_atNoModule_areRefusedWhereTheNetworkIsNamed() {
    assertThatThrownBy(
            () ->
                experiment(TRAINED, "{loss: nst, taps: {student: [layer1], teacher: [layer1.7]}}"))
        .isInstanceOf(RecipeException.class)
        .hasMessageContaining("recipe.yaml:4: ")
        .hasMessageContaining("tap must be at one of the program's 30 modules")
        .hasMessageContaining("(got layer1.7, did you mean layer1.0, ");
  }

  @Test
  void teacher_thatIsAProgram_isTrainedOnlyIfItHasEpochs() {
    String kd = "{loss: kd, temperature: 4}";
    Experiment trained = experiment(TRAINED, kd);
    assertThat(trained.recipe().teacher().isTrainedHere()).isFalse();
    assertThat(trained.images(trained.recipe().teacher())).isZero();
    StageRecipe stage = trained.recipe().methods().get(0).stages().get(0);
    assertThat(trained.imagesPerStep(stage)).isEqualTo(4);
    Experiment untrained = experiment("teacher: {network: %s, epochs: 2, batch: 4}", kd);
    assertThat(untrained.recipe().teacher().isTrainedHere()).isTrue();
    assertThat(untrained.images(untrained.recipe().teacher())).isEqualTo(2 * 4 * 4);
    untrained.checkTeachers();
  }

  @Test
  void teacher_ofTorchScript_hasTheTapsOfItsFile() {
    try (Network network = Networks.createFor("resnet8", 8, 3, 6, 6)) {
      network.saveTorchScript(folder.resolve("resnet8.ts"));
    }
    Experiment experiment =
        experiment(
            "teacher: {network: resnet8.ts}",
            "{loss: nst, taps: {student: [layer1], teacher: [layer1]}}");
    assertThat(tapsOfTeacher(experiment, 0)).contains("layer1", "layer2", "layer3");
  }

  @Test
  void teacher_withWeights_isTheNetworkThatWasSaved() {
    Map<String, ByteBuffer> saved;
    try (Network network = Networks.createFor("resnet8", 8, 3, 6, 6)) {
      network.saveStateDict(folder.resolve("resnet8.pt"));
      saved = Bits.of(network.stateDict());
    }
    Experiment experiment =
        experiment(
            "teacher: {network: resnet8, weights: resnet8.pt}", "{loss: kd, temperature: 4}");
    try (Network teacher = experiment.teacher(experiment.recipe().teacher());
        Network another = experiment.network("resnet8", 0)) {
      assertThat(Bits.of(teacher.stateDict())).isEqualTo(saved);
      assertThat(Bits.of(another.stateDict())).isNotEqualTo(saved);
    }
  }

  private static List<String> tapsOfTeacher(Experiment experiment, int teacher) {
    try (Network network = experiment.teacher(experiment.recipe().teachers().get(teacher))) {
      return network.taps();
    }
  }

  private static List<String> tapsOfStudent(Experiment experiment) {
    try (Network network = experiment.student(0)) {
      return network.taps();
    }
  }

  /** Opens a recipe whose student is the program. */
  private Experiment experiment(String teachers, String terms) {
    String program = Path.of(PROGRAM).toAbsolutePath().toString();
    String text =
        """
        name: programs
        source: a test
        data: {folder: data, size: 6, validation: 0.5}
        %s
        student: {network: %s, epochs: 1, batch: 4}
        optimizer: {name: sgd, learning_rate: 0.1}
        methods: {one: {stages: [{terms: [%s]}]}}
        """
            .formatted(teachers.formatted(program), program, terms);
    String file = folder.resolve("recipe.yaml").toString();
    return Experiment.open(RecipeReader.read(file, text), Optional.empty());
  }
}
