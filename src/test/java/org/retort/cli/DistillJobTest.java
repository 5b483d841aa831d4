package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.testing.ChildJvm;

/** The main job in a process of its own. */
final class DistillJobTest {
  @TempDir private Path folder;

  @Test
  void distill_shortSetting_leavesTableAndFiles() throws IOException, InterruptedException {
    Path output = folder.resolve("results");
    try (ChildJvm child =
        distill(output, "--methods=student,kd", "--seeds=1", "--epochs=1", "--teacher-epochs=1")) {
      assertThat(child.await()).as(child.output()).isZero();

      assertThat(child.output())
          .containsSubsequence("method", "accuracy %", "teacher", "student alone", "KD")
          .contains("100%");
      assertThat(child.jniComplaints()).isEmpty();
    }
    assertThat(output.toFile().list())
        .containsExactlyInAnyOrder(
            "accuracy.png",
            "accuracy-epochs.png",
            "losses-student.png",
            "losses-kd.png",
            "results.json",
            "results.csv",
            "history.csv",
            "experiment.json",
            "recipe.yaml",
            ".retort",
            "teacher.pt",
            "student-seed0.pt",
            "kd-seed0.pt",
            "student.pt",
            "student.ts",
            "model.json",
            "metrics.json",
            "per-class.csv",
            "confusion.csv",
            "confusion.png",
            "report.html");
    assertThat(Files.readString(output.resolve("report.html")))
        .contains("student alone", "<h2", "resnet8")
        .endsWith("</html>\n");
    assertThat(ImageIO.read(output.resolve("accuracy.png").toFile())).isNotNull();
    JsonObject results =
        JsonParser.parseString(Files.readString(output.resolve("results.json"))).getAsJsonObject();
    JsonObject teacher = results.getAsJsonObject("teachers").getAsJsonObject("teacher");
    assertThat(teacher.get("parameters").getAsLong()).isEqualTo(272_186);
    assertThat(teacher.get("accuracyPercent").getAsDouble()).isBetween(0.0, 100.0);
    assertThat(results.getAsJsonArray("students"))
        .hasSize(2)
        .allSatisfy(
            student -> {
              JsonObject run =
                  student.getAsJsonObject().getAsJsonArray("runs").get(0).getAsJsonObject();
              assertThat(run.get("parameters").getAsLong()).isEqualTo(77_754);
              assertThat(run.get("accuracyPercent").getAsDouble()).isBetween(0.0, 100.0);
              assertThat(output.resolve(run.get("file").getAsString())).isNotEmptyFile();
            });
  }

  @Test
  void distill_studentOnly_trainsNoTeacher() throws IOException, InterruptedException {
    Path output = folder.resolve("results");
    try (ChildJvm child = distill(output, "--methods=student", "--seeds=1", "--epochs=1")) {
      assertThat(child.await()).as(child.output()).isZero();
    }
    assertThat(output.toFile().list())
        .contains("accuracy.png", "results.json", "student-seed0.pt")
        .doesNotContain("teacher.pt");
  }

  @Test
  @Tag("nightly")
  void distill_threeSeeds_everyLossTeachesTheStudent() throws IOException, InterruptedException {
    Path output = folder.resolve("results");
    try (ChildJvm child = distill(output, "--methods=student,fsp,nst,ofd,crd")) {
      assertThat(child.await()).as(child.output()).isZero();
    }
    JsonObject results =
        JsonParser.parseString(Files.readString(output.resolve("results.json"))).getAsJsonObject();
    // what ten seeds give, less three deviations of the mean of three
    Map<String, Double> smallest = Map.of("fsp", 96.8, "nst", 87.8, "ofd", 97.8, "crd", 95.1);
    smallest.forEach(
        (method, percent) ->
            assertThat(meanAccuracy(results, method)).as(method).isGreaterThan(percent));
  }

  private static double meanAccuracy(JsonObject results, String method) {
    for (JsonElement element : results.getAsJsonArray("students")) {
      JsonObject student = element.getAsJsonObject();
      if (student.get("method").getAsString().equals(method)) {
        return student.getAsJsonObject("accuracyPercent").get("mean").getAsDouble();
      }
    }
    throw new AssertionError("no method " + method);
  }

  @ParameterizedTest
  @CsvSource({"INT,130,1", "TERM,143,1", "TERM,143,2"})
  void distill_signalled_endsAndLeavesWholeFiles(String signal, int status, int jobs)
      throws IOException, InterruptedException {
    Path output = folder.resolve("results");
    try (ChildJvm child =
        distill(
            output,
            "--methods=kd",
            "--seeds=" + jobs,
            "--jobs=" + jobs,
            "--epochs=10000",
            "--teacher-epochs=1")) {
      // after the teacher come students for very long
      for (int seed = 0; seed < jobs; seed++) {
        child.awaitFile(output.resolve(".retort/kd-seed" + seed + "/history.json"));
      }
      child.signal(signal);
      assertThat(child.await()).as(child.output()).isEqualTo(status);
      String resuming = "retort distill: interrupted; to resume: retort distill --output=" + output;
      assertThat(child.output())
          .containsOnlyOnce("retort distill: ")
          .contains(resuming, "teacher ", " images/s")
          .endsWith(" --resume\n")
          .doesNotContain("Exception");
      assertThat(child.jniComplaints()).isEmpty();
    }
    assertThat(output.toFile().list())
        .containsExactlyInAnyOrder("experiment.json", "recipe.yaml", ".retort", "teacher.pt");
    assertThat(output.resolve("teacher.pt")).isNotEmptyFile();
    for (int seed = 0; seed < jobs; seed++) {
      Path state = output.resolve(".retort/kd-seed" + seed);
      assertThat(state.toFile().list()).containsExactlyInAnyOrder("history.json", "stage0");
      assertThat(state.resolve("stage0").toFile().list())
          .containsExactlyInAnyOrder("best.pt", "last.pt", "last.checkpoint");
    }
  }

  /** The fonts are those of a machine where Java finds no library for them. */
  @Test
  void distill_noFonts_isRefusedBeforeAnythingIsTrained() throws Exception {
    Path patch = folder.resolve("patch");
    Path fonts = Files.createDirectories(patch.resolve("sun/font"));
    Files.writeString(fonts.resolve("SunFontManager.class"), "not a class");
    Path output = folder.resolve("output");
    List<String> options = List.of("--patch-module=java.desktop=" + patch);
    try (ChildJvm child =
        ChildJvm.start(folder, options, Main.class, "distill", "--output=" + output)) {
      assertThat(child.await()).isEqualTo(2);

      assertThat(child.output())
          .contains("retort distill: --no-plots must be given on a machine without fonts (got")
          .doesNotContain("\tat ");
    }
    assertThat(output).doesNotExist();
  }

  private ChildJvm distill(Path output, String... options) throws IOException {
    List<String> arguments = new ArrayList<>(List.of("distill", "--output=" + output));
    arguments.addAll(List.of(options));
    return ChildJvm.start(folder, Main.class, arguments.toArray(String[]::new));
  }
}
