package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.data.Batch;
import org.retort.data.Digits;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.TorchScriptNetwork;
import org.retort.recipes.Recipes;
import org.retort.testing.ChildJvm;
import org.retort.train.StoredOutputs;
import org.retort.train.StoredOutputsFormat;
import org.retort.train.StoredTap;
import picocli.CommandLine;

/** The commands, in this process. */
final class CommandsTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @TempDir private Path folder;

  @Test
  void train_thenEvaluateAndExport_agree() throws IOException {
    run("train", "--network=resnet8", "--epochs=1", "--seed=3", "--output=" + folder);
    JsonObject run = json(folder.resolve(".retort/teacher.json"));
    double percent = run.get("accuracyPercent").getAsDouble();
    assertThat(out.toString()).startsWith("resnet8: ").contains("% of 359 test images");
    assertThat(run.get("seed").getAsInt()).isEqualTo(3);
    assertThat(run.getAsJsonArray("history")).hasSize(1);
    JsonObject epoch = run.getAsJsonArray("history").get(0).getAsJsonObject();
    assertThat(epoch.get("accuracyPercent").getAsDouble()).isEqualTo(percent);
    assertThat(folder.resolve(".retort/teacher")).doesNotExist();

    String file = folder.resolve("teacher.pt").toString();
    run("evaluate", file, "--json");
    JsonObject evaluated = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertThat(evaluated.get("accuracyPercent").getAsDouble()).isEqualTo(percent);
    assertThat(evaluated.get("testImages").getAsInt()).isEqualTo(359);
    run("evaluate", file);
    assertThat(out.toString()).startsWith(file + ": ").endsWith("% of 359 test images\n");

    Path module = folder.resolve("module.pt");
    run("export", file, "--output=" + module);
    try (Network network = TorchScriptNetwork.load(module)) {
      network.probe(1, 8, 8);
      assertThat(network.classes()).isEqualTo(10);
      assertThat(network.parameterCount()).isEqualTo(run.get("parameters").getAsLong());
    }
  }

  @Test
  void distill_teacherFromAFile_isNotTrained() throws IOException {
    Path trained = folder.resolve("trained");
    run("train", "--network=resnet8", "--epochs=1", "--output=" + trained);
    Path output = folder.resolve("output");
    String teacher = "--teacher=resnet8=" + trained.resolve("teacher.pt");
    run(
        "distill",
        teacher,
        "--methods=kd",
        "--seeds=1",
        "--epochs=1",
        "--no-plots",
        "--output=" + output);
    assertThat(output.resolve("teacher.pt")).hasSameBinaryContentAs(trained.resolve("teacher.pt"));
    assertThat(json(output.resolve(".retort/teacher.json")).getAsJsonArray("history")).isEmpty();
  }

  @Test
  void distill_severalTeachers_trainsEach() throws IOException {
    Path recipe = folder.resolve("two.yaml");
    Files.writeString(
        recipe,
        """
        name: two
        source: a test
        data: {name: digits}
        teachers:
          - {name: one, network: resnet8, epochs: 1, batch: 64}
          - {name: two, network: resnet8, epochs: 1, batch: 64, seed: 1}
        student: {network: resnet8, epochs: 1, batch: 64}
        optimizer: {name: sgd, learning_rate: 0.05}
        methods:
          both:
            stages: [{terms: [{loss: kd, temperature: 4, teacher: {mean: probabilities}}]}]
        """);
    Path output = folder.resolve("output");
    run("distill", "--recipe=" + recipe, "--seeds=1", "--no-plots", "--output=" + output);
    assertThat(out.toString()).containsSubsequence("teacher-one", "teacher-two", "both");
    assertThat(output.resolve("teacher-one.pt")).isNotEmptyFile();
    assertThat(output.resolve("teacher-two.pt")).isNotEmptyFile();
    assertThat(json(output.resolve("results.json")).getAsJsonObject("teachers").keySet())
        .containsExactly("teacher-one", "teacher-two");

    for (String[] wrong :
        new String[][] {
          {"for --teacher", "distill", "--teacher=resnet8", "--recipe=" + recipe},
          {"for --teacher-epochs", "distill", "--teacher-epochs=1", "--recipe=" + recipe},
          {"to train", "train", "--recipe=" + recipe}
        }) {
      String[] command = Arrays.copyOfRange(wrong, 1, wrong.length);
      assertThat(execute(with(command, folder.resolve("none")))).isEqualTo(2);
      assertThat(err.toString())
          .isEqualTo(
              "retort %s: --recipe must have a single teacher network %s (got 2 in two)\n"
                  .formatted(wrong[1], wrong[0]));
    }
    String[] outputs = {
      "outputs", output.resolve("teacher-one.pt").toString(), "--recipe=" + recipe
    };
    assertThat(execute(with(outputs, folder.resolve("none")))).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "retort outputs: --recipe must have a single teacher network for <teacher.pt> without"
                + " --network (got 2 in two)\n");
  }

  @Test
  void distill_ownTable_trainsOnItsRows() throws IOException {
    StringBuilder table = new StringBuilder("size,kind\n");
    for (int i = 0; i < 60; i++) {
      table.append(i).append(i < 30 ? ",small\n" : ",large\n");
    }
    Path file = Files.writeString(folder.resolve("sizes.csv"), table);
    Path output = folder.resolve("output");
    String[] options = {
      "distill", "--data=csv:" + file, "--label=kind", "--epochs=2", "--teacher-epochs=2"
    };
    run(with(with(with(options, "--weights=kd=0.5"), "--no-plots"), "--output=" + output));
    JsonObject experiment = json(output.resolve("experiment.json"));
    assertThat(experiment.get("seeds").getAsInt()).isOne();
    assertThat(experiment.getAsJsonObject("data").get("name").getAsString()).isEqualTo("sizes.csv");
    assertThat(experiment.getAsJsonObject("data").get("trainImages").getAsInt()).isEqualTo(48);
    assertThat(experiment.getAsJsonObject("options").getAsJsonObject("weights"))
        .hasToString("{\"kd\":0.5}");
    run("predict", "--model=" + output, file.toString());
    assertThat(out.toString().lines()).hasSize(60).first().asString().contains("small", "large");
  }

  @Test
  void distill_resumedWithMoreSeeds_keepsWhatIsFinished() throws IOException {
    String[] options = {
      "distill", "--methods=student", "--epochs=1", "--no-plots", "--output=" + folder
    };
    run(with(options, "--seeds=1"));
    FileTime first = Files.getLastModifiedTime(folder.resolve("student-seed0.pt"));
    run(with(with(options, "--seeds=2"), "--resume"));
    assertThat(Files.getLastModifiedTime(folder.resolve("student-seed0.pt"))).isEqualTo(first);
    JsonObject results = json(folder.resolve("results.json"));
    assertThat(results.getAsJsonArray("students").get(0).getAsJsonObject().getAsJsonArray("runs"))
        .hasSize(2);

    options[2] = "--epochs=2";
    assertThat(execute(with(with(options, "--seeds=1"), "--resume"))).isEqualTo(1);
    assertThat(err.toString())
        .startsWith(
            "retort distill: --resume must be used with the options of the previous run, whose"
                + " command was: retort distill --methods=student --epochs=1");
  }

  @Test
  void distill_inTheFolderOfAnother_goesOnFromNothingOfIt() throws IOException {
    String[] options = {
      "distill", "--methods=student", "--seeds=1", "--no-plots", "--output=" + folder
    };
    run(with(options, "--epochs=1"));
    byte[] first = Files.readAllBytes(folder.resolve("student-seed0.pt"));
    Files.createDirectories(folder.resolve(".retort/kd-seed0"));
    run(with(options, "--epochs=2"));
    assertThat(folder.resolve(".retort/kd-seed0")).doesNotExist();
    run(with(with(options, "--epochs=2"), "--resume"));
    assertThat(json(folder.resolve(".retort/student-seed0.json")).getAsJsonArray("history"))
        .hasSize(2);
    assertThat(folder.resolve("student-seed0.pt")).binaryContent().isNotEqualTo(first);
  }

  @Test
  void distill_recipeThatItLeft_givesTheSameNetwork() throws IOException {
    Path first = folder.resolve("first");
    Path second = folder.resolve("second");
    String[] options = {"distill", "--methods=student", "--epochs=1", "--seeds=1", "--no-plots"};
    run(with(options, first));
    assertThat(first.toFile().list()).contains("results.csv").doesNotContain("accuracy.png");
    run(with(with(options, "--recipe=" + first.resolve("recipe.yaml")), second));
    assertThat(second.resolve("student-seed0.pt"))
        .hasSameBinaryContentAs(first.resolve("student-seed0.pt"));
    JsonObject experiment = json(second.resolve("experiment.json"));
    assertThat(experiment.get("recipe").getAsString()).isEqualTo(Recipes.load("digits").text());
    assertThat(experiment.get("command").getAsString()).contains("--recipe=");
    assertThat(experiment.getAsJsonObject("data").get("credit").getAsString())
        .contains("E. Alpaydin and C. Kaynak", "CC BY 4.0");
    assertThat(experiment.getAsJsonObject("machine").get("processors").getAsInt()).isPositive();
  }

  @Test
  void distill_interruptedAndResumed_givesTheBitsOfOneRunThrough()
      throws IOException, InterruptedException {
    Path whole = folder.resolve("whole");
    Path parts = folder.resolve("parts");
    String[] options = {
      "distill",
      "--methods=crd",
      "--seeds=1",
      "--epochs=6",
      "--teacher-epochs=1",
      "--threads=1",
      "--no-plots"
    };
    try (ChildJvm child = ChildJvm.start(folder, Main.class, with(options, parts))) {
      child.awaitFile(parts.resolve(".retort/crd-seed0/stage0/last.checkpoint"));
      child.interrupt();
      assertThat(child.await()).as(child.output()).isEqualTo(130);
    }
    assertThat(parts.resolve("crd-seed0.pt")).doesNotExist();
    run(with(with(options, parts), "--resume"));
    run(with(options, whole));

    assertThat(parts.resolve("crd-seed0.pt")).hasSameBinaryContentAs(whole.resolve("crd-seed0.pt"));
    assertThat(json(parts.resolve(".retort/crd-seed0.json")).getAsJsonArray("history")).hasSize(6);
    assertThat(parts.resolve(".retort/crd-seed0")).doesNotExist();
  }

  @Test
  @Tag("helpers")
  void distill_severalJobs_givesTheBitsOfOne() throws IOException {
    String[] options = {
      "distill",
      "--methods=student,kd,crd",
      "--seeds=2",
      "--epochs=1",
      "--teacher-epochs=1",
      "--threads=1",
      "--no-plots"
    };
    Path one = folder.resolve("one");
    Path several = folder.resolve("several");
    run(with(options, one));
    run(with(with(options, several), "--jobs=2"));
    for (String method : List.of("student", "kd", "crd")) {
      for (int seed = 0; seed < 2; seed++) {
        String file = method + "-seed" + seed + ".pt";
        assertThat(several.resolve(file)).hasSameBinaryContentAs(one.resolve(file));
      }
    }
    assertThat(json(several.resolve("results.json")).getAsJsonArray("students")).hasSize(3);
    assertThat(json(several.resolve("experiment.json")).get("jobs").getAsInt()).isEqualTo(2);
    assertThat(several.resolve(".retort/helper-1.log")).isEmptyFile();
  }

  @Test
  void distill_runOfAnotherProcess_isWaitedForAndTakenOverWhenItEnds()
      throws IOException, InterruptedException {
    String[] options = {
      "distill", "--methods=student", "--epochs=1", "--no-plots", "--output=" + folder
    };
    run(with(options, "--seeds=1"));
    OutputFolder output = new OutputFolder(folder);
    String[] more = with(with(with(options, "--seeds=3"), "--jobs=2"), "--resume");
    Claim claim = output.claim("student-seed1");
    assertThat(claim.isGranted()).isTrue();
    // whose file the collector must not close, which would end the lock
    Claim second = output.claim("student-seed1");
    try (ChildJvm child = ChildJvm.start(folder, Main.class, more)) {
      child.awaitFile(folder.resolve(".retort/student-seed2.json"));
      assertThat(output.finished("student-seed1")).isEmpty();
      assertThat(child.isAlive()).isTrue();
      assertThat(second.isGranted()).isFalse();
      claim.close();
      second.close();
      assertThat(child.await()).as(child.output()).isZero();
    }
    assertThat(output.finished("student-seed1")).isPresent();
  }

  @Test
  void distill_helperThatIsKilled_costsNoStudent() throws IOException, InterruptedException {
    String[] options = {
      "distill", "--methods=student", "--seeds=2", "--epochs=5", "--no-plots", "--jobs=2"
    };
    try (ChildJvm child = ChildJvm.start(folder, Main.class, with(options, folder))) {
      child.awaitFile(folder.resolve(".retort/student-seed1"));
      List<ProcessHandle> helpers = child.children();
      assertThat(helpers).hasSize(1);
      helpers.forEach(ProcessHandle::destroyForcibly);
      assertThat(child.await()).as(child.output()).isZero();
    }
    OutputFolder output = new OutputFolder(folder);
    for (int seed = 0; seed < 2; seed++) {
      assertThat(output.finished("student-seed" + seed)).isPresent();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1001})
  void distill_wrongNumberOfJobs_isOneLineAndExitCode2(int jobs) {
    assertThat(execute("distill", "--jobs=" + jobs, "--output=" + folder)).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("retort distill: --jobs must be between 1 and 1000 (got " + jobs + ")\n");
  }

  @Test
  void outputs_ofATeacher_areThoseItComputes() throws IOException {
    run("train", "--network=resnet8", "--epochs=1", "--output=" + folder);
    Path teacher = folder.resolve("teacher.pt");
    Path file = folder.resolve("teacher.outputs");
    String[] options = {"outputs", teacher.toString(), "--network=resnet8"};
    run(with(with(options, "--taps=stem,layer3"), file));
    assertThat(out.toString())
        .startsWith("resnet8: outputs for 1438 training images, ")
        .endsWith(" MB, see " + file + "\n");
    try (StoredOutputs outputs = StoredOutputs.open(file);
        Network network = Networks.create("resnet8", 10, 1)) {
      network.loadStateDict(teacher);
      network.probe(1, 8, 8);
      assertThat(outputs.missing()).isEmpty();
      StoredOutputsFormat format = outputs.format();
      assertThat(format.note()).isEqualTo("resnet8 of digits");
      assertThat(format.taps())
          .containsExactly(
              StoredTap.of("stem", network.tapShape("stem")),
              StoredTap.of("layer3", network.tapShape("layer3")));
      long[] all = LongStream.range(0, format.samples()).toArray();
      try (Tensor stored = outputs.logits(all);
          Tensor computed = network.predict(Batch.of(Digits.load().train()).images())) {
        assertThat(torch.allclose(stored, computed, 1e-3, 1e-3, false)).isTrue();
      }
    }

    long bytes = Files.size(file);
    run(with(with(options, "--top=3"), file));
    assertThat(Files.size(file)).isLessThan(bytes / 10);
    run(with(with(with(options, "--top=3"), "--dtype=float16"), file));
    try (StoredOutputs outputs = StoredOutputs.open(file)) {
      assertThat(outputs.format().top()).isEqualTo(3);
      assertThat(outputs.format().dtype()).isEqualTo(StoredOutputsFormat.Dtype.FLOAT16);
      assertThat(outputs.rows()).isEqualTo(1438);
    }
    byte[] before = Files.readAllBytes(file);
    assertThat(execute(with(with(options, "--top=10"), file))).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("retort outputs: --top must be between 1 and 9 (got 10)\n");
    assertThat(execute(with(with(options, "--taps=steem"), file))).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("retort outputs: --taps must be among stem, ")
        .endsWith(" (got steem, did you mean stem?)\n");
    options[2] = "--network=vgg8";
    assertThat(execute(with(options, file))).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("retort outputs: <teacher.pt> must be a state dict of vgg8 (got " + teacher);
    assertThat(file).hasBinaryContent(before);
  }

  @Test
  void distill_storedOutputs_teachWithoutATeacher() throws IOException {
    run("train", "--network=resnet8", "--epochs=1", "--output=" + folder);
    String teacher = folder.resolve("teacher.pt").toString();
    run("outputs", teacher, "--network=resnet8", "--output=" + folder.resolve("teacher.outputs"));
    Path recipe = folder.resolve("stored.yaml");
    Files.writeString(
        recipe,
        """
        name: stored
        source: a test
        data: {name: digits}
        teacher: {outputs: teacher.outputs}
        student: {network: resnet8, epochs: 1, batch: 64}
        optimizer: {name: sgd, learning_rate: 0.05}
        methods:
          kd: {stages: [{cross_entropy: 0, terms: [{loss: kd, temperature: 4}]}]}
        """);
    Path output = folder.resolve("output");
    run("distill", "--recipe=" + recipe, "--seeds=1", "--no-plots", "--output=" + output);
    assertThat(output.resolve("kd-seed0.pt")).isNotEmptyFile();
    assertThat(output.resolve("teacher.pt")).doesNotExist();
    assertThat(json(output.resolve("results.json")).getAsJsonObject("teachers").keySet()).isEmpty();
    JsonObject options = json(output.resolve("experiment.json")).getAsJsonObject("options");
    assertThat(options.get("teacher").getAsString()).isEqualTo("teacher.outputs");
    run("bench", "--recipe=" + recipe, "--steps=1", "--warm-up=1");
    assertThat(out.toString()).contains("kd");
    assertThat(execute("train", "--recipe=" + recipe, "--output=" + folder.resolve("none")))
        .isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "retort train: --recipe must have a single teacher network to train (got stored outputs"
                + " in stored)\n");
  }

  @Test
  void outputs_filesThatCannotBe_isOneLineAndExitCode2() throws IOException {
    Path teacher = Files.createFile(folder.resolve("teacher.pt"));
    assertThat(execute("outputs", "none.pt", "--output=a")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("retort outputs: <teacher.pt> must be an existing file (got none.pt)\n");
    assertThat(execute("outputs", teacher.toString(), "--output=none/a")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("retort outputs: --output must be a file in an existing folder (got none/a)\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "*ofd, *crd] | {loss: ofd, taps: {student: [layer9], teacher: [layer1]}}] | :84: method all, stage 1, term ofd:"
            + " student's tap must be one of ",
        "*ofd, *crd] | {loss: ofd, taps: {student: [layer3], teacher: [layerr3]}}] | :84: method"
            + " all, stage 1, term ofd: teacher's tap must be one of ",
        "*ofd, *crd] | {loss: fsp, name: late, taps: [stem]}] | :84: method all, stage 1, term late:"
            + " taps must be at least 2 (got 1)",
        "*ofd, *crd] | *ofd], cross_entropy: 0, train: backbone} & {terms: [{loss: fsp, taps: [stem,"
            + " layer1, x]}] | :85: method all, stage 2, term fsp: teacher's tap must be one of "
      })
  void distill_wrongTermOfTheLastMethod_isFoundBeforeAnythingIsTrained(
      String part, String other, String message) throws IOException {
    String text = Recipes.load("digits").text();
    assertThat(text).contains("- terms: [*kd, *fsp, *nst, " + part);
    Path file =
        Files.writeString(
            folder.resolve("a.yaml"),
            text.replace(
                "- terms: [*kd, *fsp, *nst, " + part,
                "- {terms: [*kd, " + other.replace("&", "\n      -") + "}"));
    Path output = folder.resolve("output");
    assertThat(
            execute(
                "distill",
                "--recipe=" + file,
                "--epochs=1",
                "--teacher-epochs=1",
                "--seeds=1",
                "--output=" + output))
        .isEqualTo(2);
    assertThat(err.toString()).startsWith("retort distill: " + file + message).hasLineCount(1);
    assertThat(output).isEmptyDirectory();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "batch: 64 | batch: 6400 | digits: teacher.batch must be between 1 and 1438 (got 6400)",
        "unlabeled_batch: 96 | unlabeled_batch: 9600 | digits: student.unlabeled_batch must be"
            + " between 1 and 1388 (got 9600)",
        "batch: 32 | samples_per_class: 200 & batch: 32 | digits: student.samples_per_class must be"
            + " between 1 and 139 (got 200)",
        "{loss: crd, | {loss: crd, queue: 100, | FILE:79: method crd, stage 1, term crd: queue must"
            + " be at least a batch of 128 (got 100)"
      })
  void distill_numberThatDoesNotFitTheData_isToldByItsKey(String part, String other, String message)
      throws IOException {
    String text = Recipes.load("digits").text();
    assertThat(text).contains(part);
    String changed = text.replace(part, other.replace(" & ", "\n  "));
    Path file = Files.writeString(folder.resolve("a.yaml"), changed);
    String output = "--output=" + folder.resolve("output");
    assertThat(execute("distill", "--recipe=" + file, "--methods=crd", output)).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("retort distill: " + message.replace("FILE", file.toString()) + "\n");
  }

  @Test
  void distill_wrongStateDictOfTheTeacher_isFoundBeforeAnEarlierRunIsForgotten()
      throws IOException {
    Path earlier = Files.createDirectories(folder.resolve("output/.retort/kd-seed0"));
    Path file = Files.writeString(folder.resolve("teacher.pt"), "no state dict");
    assertThat(execute("distill", "--teacher=" + file, "--output=" + folder.resolve("output")))
        .isEqualTo(2);
    assertThat(err.toString())
        .startsWith(
            "retort distill: --teacher must be a state dict of resnet20 (got " + file + ": ")
        .hasLineCount(1);
    assertThat(earlier).exists();
  }

  @ParameterizedTest
  @ValueSource(strings = {"recipe.yaml", "experiment.json", "teacher.pt", "kd-seed1.pt"})
  void distill_fileOfTheOutputThatCannotBeWritten_isFoundBeforeAnythingIsTrained(String name)
      throws IOException {
    Files.createDirectories(folder.resolve(name));
    String[] options = {"distill", "--methods=kd", "--teacher-epochs=1", "--epochs=1"};
    assertThat(execute(with(with(options, "--seeds=2"), folder))).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("retort distill: --output must be a writable folder (got " + folder + ": ")
        .contains(name)
        .hasLineCount(1);
    assertThat(folder.resolve("kd-seed0.pt")).doesNotExist();
    assertThat(folder.resolve(".retort/teacher.json")).doesNotExist();
  }

  @Test
  void evaluate_stateDictOfAnotherNetwork_namesTheFileAndTheNetwork() throws IOException {
    run("train", "--network=resnet8", "--epochs=1", "--output=" + folder);
    String file = folder.resolve("teacher.pt").toString();
    assertThat(execute("evaluate", file, "--network=vgg8")).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("retort evaluate: <file.pt> must be a state dict of vgg8 (got " + file + ": ")
        .hasLineCount(1);
    assertThat(execute("evaluate", file, "--network=resnet19")).isEqualTo(2);
    assertThat(err.toString()).startsWith("retort evaluate: --network must be one of ");
  }

  @Test
  void train_unknownNetwork_isOneLineAndExitCode2() {
    assertThat(execute("train", "--network=resnet21")).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("retort train: --network must be one of ")
        .endsWith(" (got resnet21, did you mean resnet20?)\n");
  }

  @Test
  void recipes_withoutAName_listsThemAll() {
    run("recipes");
    for (String name : Recipes.names()) {
      assertThat(out.toString()).contains(name + ": ", "methods: student, ", "source: ");
    }
    assertThat(out.toString()).contains("  teacher: resnet20, student: resnet8\n");
  }

  @Test
  void recipes_name_printsTheFile() {
    run("recipes", "cifar100-ofd");
    assertThat(out.toString()).isEqualTo(Recipes.load("cifar100-ofd").text());
  }

  @Test
  void recipes_wrongFile_isOneLineAndExitCode2() throws IOException {
    Path file = Files.writeString(folder.resolve("a.yaml"), "name: a\nsorce: b\n");
    assertThat(execute("recipes", file.toString())).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("retort recipes: " + file + ":1: data must be given (got none)\n");
  }

  @Test
  void bench_twoMethods_measuresEachStage() {
    run("bench", "--methods=kd,fsp-stages", "--steps=2", "--warm-up=1", "--json");
    JsonObject document = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertThat(document.getAsJsonArray("stages"))
        .hasSize(3)
        .allSatisfy(
            stage ->
                assertThat(stage.getAsJsonObject().get("medianMillis").getAsDouble()).isPositive());
    run("bench", "--methods=student", "--steps=2", "--warm-up=1");
    assertThat(out.toString()).startsWith("method   stage  median ms  samples/s\nstudent  1 ");
  }

  @Test
  void evaluate_noSuchFile_isOneLineAndExitCode2() {
    assertThat(execute("evaluate", "none.pt")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("retort evaluate: <file.pt> must be an existing file (got none.pt)\n");
  }

  @Test
  void export_folderMissing_isOneLineAndExitCode2() {
    assertThat(execute("export", "none.pt", "--output=none/a.pt")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "retort export: --output must be a file in an existing folder (got none/a.pt)\n");
  }

  @Test
  void inspect_printsModulesAndTaps() {
    assertThat(execute("inspect", "native/tests/exported/residual-2.10.pt2")).isZero();
    assertThat(out.toString())
        .startsWith("PyTorch 2.10")
        .contains("layer1.1.conv1")
        .contains("layer1=layer1  [batch, 4, 6, 6]");
  }

  @Test
  void inspect_otherFiles_isOneLineAndExitCode2() {
    assertThat(execute("inspect", "none.pt2")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("retort inspect: <file.pt2> must be an existing file (got none.pt2)\n");
    err.getBuffer().setLength(0);
    assertThat(execute("inspect", "pom.xml")).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("retort inspect: describe_exported: file must be a program of torch.export")
        .containsOnlyOnce("\n");
  }

  @Test
  void train_wrongSeed_isOneLineAndExitCode2() {
    assertThat(execute("train", "--seed=-1")).isEqualTo(2);
    assertThat(err.toString()).isEqualTo("retort train: --seed must be at least 0 (got -1)\n");
  }

  private static String[] with(String[] options, Path output) {
    return with(options, "--output=" + output);
  }

  private static String[] with(String[] options, String another) {
    String[] all = Arrays.copyOf(options, options.length + 1);
    all[options.length] = another;
    return all;
  }

  private static JsonObject json(Path file) throws IOException {
    return JsonParser.parseString(Files.readString(file)).getAsJsonObject();
  }

  private void run(String... arguments) {
    assertThat(execute(arguments)).as(err.toString()).isZero();
    assertThat(err.toString()).isEmpty();
  }

  private int execute(String... arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    CommandLine command = Main.commandLine();
    command.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    return command.execute(arguments);
  }
}
