package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.ChildJvm;
import picocli.CommandLine;

/** The main job over two processes. */
final class DistillOverRanksTest {
  private static final String RUN = "both-seed0";

  @TempDir private Path folder;
  private Path recipe;

  /** Networks without BatchNorm and without dropout: two ranks compute what one does. */
  @BeforeEach
  void writeRecipe() throws IOException {
    recipe = folder.resolve("tiny.yaml");
    Files.writeString(
        recipe,
        """
        name: tiny
        source: a test
        data: {name: digits, augmentation: {crop: 1}, labels_per_class: 20}
        teacher: {network: mlp_32, epochs: 6, batch: 64}
        student: {network: mlp_16, epochs: 6, batch: 33, unlabeled_batch: 62}
        optimizer: {name: sgd, learning_rate: 0.1, momentum: 0.9}
        methods:
          student: {stages: [{cross_entropy: 1}]}
          both:
            stages:
              - terms:
                  - {loss: kd, temperature: 4}
                  - {loss: crd, weight: 0.02, negatives: 16, dimension: 8, taps: [embedding]}
        """);
  }

  @Test
  void distill_twoProcesses_agreesWithOne() throws Exception {
    Path one = folder.resolve("one");
    Path two = folder.resolve("two");
    String command = "distill --recipe=" + recipe + " --seeds=1 --no-plots --output=";
    String launch = "launch --processes=2 --logs=logs ";
    try (ChildJvm launched = start(launch + command + two)) {
      runHere(command + one);
      assertThat(launched.await()).as(launched.output()).isZero();
      assertThat(launched.output()).contains("100%", "student", "both").doesNotContain("[Gloo]");
      assertThat(launched.jniComplaints()).isEmpty();
    }
    assertThat(Files.readAllLines(folder.resolve("logs/rank-1.log")))
        .allMatch(line -> line.startsWith("[Gloo] Rank "));
    assertThat(two.toFile().list()).containsExactlyInAnyOrder(one.toFile().list());
    for (String run : List.of("teacher", "student-seed0", "both-seed0")) {
      assertAgree(run(two, run), run(one, run));
    }
    assertThat(Json.read(two.resolve("experiment.json"), ExperimentReport.class))
        .returns(2, ExperimentReport::ranks)
        .returns("retort " + launch + command + two, ExperimentReport::command);
  }

  private static void runHere(String command) {
    StringWriter err = new StringWriter();
    CommandLine here = Main.commandLine();
    here.setOut(new PrintWriter(new StringWriter())).setErr(new PrintWriter(err, true));
    assertThat(here.execute(command.split(" "))).as(err.toString()).isZero();
  }

  private static Run run(Path output, String name) throws IOException {
    return new OutputFolder(output).finished(name).orElseThrow();
  }

  private static void assertAgree(Run run, Run expected) {
    assertThat(run.accuracyPercent()).isCloseTo(expected.accuracyPercent(), within(0.6));
    assertThat(run.history()).hasSameSizeAs(expected.history());
    for (int i = 0; i < run.history().size(); i++) {
      Run.Epoch epoch = run.history().get(i);
      Run.Epoch other = expected.history().get(i);
      assertThat(epoch.loss()).isCloseTo(other.loss(), within(1e-4));
      assertThat(epoch.crossEntropy()).isCloseTo(other.crossEntropy(), within(1e-4));
      assertThat(epoch.trainAccuracyPercent()).isCloseTo(other.trainAccuracyPercent(), within(0.5));
      assertThat(epoch.terms().keySet()).isEqualTo(other.terms().keySet());
      epoch
          .terms()
          .forEach(
              (name, value) -> assertThat(value).isCloseTo(other.terms().get(name), within(1e-4)));
    }
  }

  @Test
  void distill_interruptedOverRanks_resumes() throws Exception {
    OutputFolder output = new OutputFolder(folder.resolve("output"));
    Path stage = output.checkpoints(RUN, 0);
    String command =
        "launch --processes=2 distill --recipe=%s --methods=both --seeds=1 --epochs=10000 --output=%s"
            .formatted(recipe, output.folder());
    try (ChildJvm launched = start(command)) {
      launched.awaitFile(stage.resolve("last.checkpoint"));
      assertInterrupted(launched, command);
    }
    int before = output.history(RUN).size();
    Files.delete(stage.resolve("last.pt")); // written with each checkpoint
    try (ChildJvm launched = start(command + " --resume")) {
      launched.awaitFile(stage.resolve("last.pt"));
      assertInterrupted(launched, command);
    }
    List<Integer> epochs = output.history(RUN).stream().map(Run.Epoch::epoch).toList();
    assertThat(epochs)
        .hasSizeGreaterThanOrEqualTo(before)
        .isEqualTo(IntStream.range(0, epochs.size()).boxed().toList());
  }

  private static void assertInterrupted(ChildJvm launched, String command) throws Exception {
    launched.interrupt();
    assertThat(launched.await()).as(launched.output()).isEqualTo(Main.INTERRUPTED);
    assertThat(launched.output())
        .contains("retort distill: interrupted; to resume: retort " + command + " --resume")
        .containsOnlyOnce("retort distill: ")
        .doesNotContain("Exception", "retort launch: ");
  }

  @Test
  void train_outputOfAnotherExperiment_endsAllRanks() throws Exception {
    String command = "train --recipe=" + recipe + " --output=" + folder.resolve("output");
    runHere(command + " --epochs=1");
    try (ChildJvm launched = start("launch --processes=2 " + command + " --epochs=2 --resume")) {
      assertThat(launched.await()).as(launched.output()).isEqualTo(1);
      assertThat(launched.output())
          .contains(
              "retort train: --resume must be used with the options of the previous run",
              "retort launch: rank 0 failed with exit code 1");
    }
  }

  @Test
  void evaluate_oneOfSeveralRanks_isRefused() throws Exception {
    Map<String, String> environment = Map.of("RANK", "1", "WORLD_SIZE", "2");
    try (ChildJvm rank =
        ChildJvm.start(folder, environment, List.of(), Main.class, "evaluate", "teacher.pt")) {
      assertThat(rank.await()).isEqualTo(2);
      assertThat(rank.output())
          .isEqualTo(
              "retort evaluate: WORLD_SIZE must be 1 for a command that does not train (got 2)\n");
    }
  }

  private ChildJvm start(String command) throws IOException {
    List<String> options = List.of(ChildJvm.NATIVE_ACCESS);
    return ChildJvm.start(folder, options, Main.class, command.split(" "));
  }
}
