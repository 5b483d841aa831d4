package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.Retort;
import org.retort.models.Networks;
import org.retort.recipes.Recipes;
import picocli.CommandLine;

final class MainTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @TempDir private Path folder;

  @Test
  void help_distill_explainsEachOptionWithItsDefault() {
    assertThat(run("distill", "--help")).isZero();
    assertThat(err.toString()).isEmpty();
    String help = out.toString().replaceAll("\\s+", " ");
    assertThat(help)
        .containsSubsequence(
            "--methods=",
            "Default: all.",
            "--weights=",
            "--teacher=",
            "--student=",
            "--seeds=",
            "Default: 3, or 1 for your own data.",
            "--epochs=",
            "--teacher-epochs=",
            "--labels-per-class=",
            "--recipe=",
            "Default: digits, or one generated for your own data.",
            "--data=",
            "--threads=",
            "here " + Runtime.getRuntime().availableProcessors() + ".",
            "--device=",
            "Default: cpu.",
            "--log-level=",
            "ERROR, WARN, INFO, DEBUG, TRACE",
            "--output=",
            "Default: target/distill.",
            "--resume");
  }

  @Test
  void help_distill_endsWithTwoExamples() {
    run("distill", "--help");
    String[] lines = out.toString().stripTrailing().split("\\R", -1);
    assertThat(lines[lines.length - 3]).isEqualTo("Examples:");
    assertThat(lines[lines.length - 2]).startsWith("  retort distill");
    assertThat(lines[lines.length - 1]).startsWith("  retort distill --");
  }

  @Test
  void help_retort_listsTheSubcommands() {
    assertThat(run("--help")).isZero();
    assertThat(out.toString())
        .contains(
            "distill",
            "train",
            "evaluate",
            "export",
            "launch",
            "outputs",
            "predict",
            "recipes",
            "bench");
  }

  @ParameterizedTest
  @ValueSource(strings = {"--version", "distill --version"})
  void version_always_isTheLibrarys(String arguments) {
    assertThat(run(arguments.split(" ", -1))).isZero();
    assertThat(out.toString().strip()).isEqualTo("retort " + Retort.version());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--methods teacher | --methods must be among {methods} (got teacher)",
        "--methods fps | --methods must be among {methods} (got fps)",
        "--methods stutent | --methods must be among {methods} (got stutent, did you mean"
            + " student?)",
        "--methods kd,,student | --methods must be among {methods} (got )",
        "--methods | Missing required parameter for option '--methods' (<method>)",
        "--weights kd | Value for option option '--weights' (<term>=<weight>) should be in"
            + " KEY=VALUE[,KEY=VALUE]... format but was kd",
        "--weights kd=-1 | Invalid value for option '--weights' (<term>=<weight>): must be a number"
            + " of at least 0 (got -1)",
        "--weights kd=NaN | Invalid value for option '--weights' (<term>=<weight>): must be a"
            + " number of at least 0 (got NaN)",
        "--weights kd=much | Invalid value for option '--weights' (<term>=<weight>): must be a"
            + " number of at least 0 (got much)",
        "--weights ofx=1 | --weights must be among crd, dkd, fsp, fsp-stages, kd, nst, ofd (got"
            + " ofx, did you mean ofd?)",
        "--teacher resnet9 | --teacher must be one of {networks} (got resnet9, did you mean"
            + " resnet8?)",
        "--student vgg | --student must be one of {networks} (got vgg, did you mean" + " vgg8?)",
        "--teacher none.pt | Invalid value for option '--teacher': must be an existing"
            + " file (got none.pt)",
        "--recipe none.yaml | --recipe must be a file or one of {recipes} (got none.yaml)",
        "--recipe cifar100-ofd --labels-per-class 5 | --labels-per-class must be used with a recipe"
            + " that hides labels (got cifar100-ofd)",
        "--recipe fashion-mnist | --data must be that of the files of fashion-mnist (got none)",
        "--recipe fashion-mnist --data there | --data must be that of the files of fashion-mnist"
            + " (got there)",
        "--recipe fashion-mnist --data src | --data must be that of the files of fashion-mnist (got"
            + " src: file must exist (got src/train-images-idx3-ubyte.gz))",
        "--data there | --data must not be given for the data of digits, which ship with Retort"
            + " (got there)",
        "--seeds 0 | --seeds must be between 1 and 1000 (got 0)",
        "--seeds 1.5 | Invalid value for option '--seeds': '1.5' is not an int",
        "--epochs 0 | --epochs must be between 1 and 10000 (got 0)",
        "--teacher-epochs -3 | --teacher-epochs must be between 1 and 10000 (got -3)",
        "--labels-per-class 101 | --labels-per-class must be between 1 and 100 (got 101)",
        "--device tpu | --device must be cpu or cuda (got tpu)",
        "--threads 0 | --threads must be between 1 and 1024 (got 0)",
        "--sedes 3 | Unknown options: '--sedes', '3'",
        "everything | Unmatched argument at index 1: 'everything'"
      })
  void distill_wrongOption_isOneLineAndExitCode2(String arguments, String message) {
    String line =
        message
            .replace("{methods}", String.join(", ", Recipes.load("digits").methodNames()))
            .replace("{networks}", String.join(", ", Networks.nameForms()))
            .replace("{recipes}", String.join(", ", Recipes.names()));
    assertRefused(2, "retort distill: " + line, ("distill " + arguments).split(" ", -1));
  }

  @Test
  void distill_outputIsAFile_isOneLineAndExitCode2() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    assertRefused(
        2,
        "retort distill: --output must be a folder that exists or can be created (got "
            + file
            + ")",
        "distill",
        "--output",
        file.toString());
  }

  @Test
  void retort_noSubcommand_isOneLineAndExitCode2() {
    assertRefused(2, "retort: a subcommand must be given, see --help");
  }

  @Test
  void retort_unknownSubcommand_isOneLineAndExitCode2() {
    assertRefused(2, "retort: Unmatched argument at index 0: 'destill'", "destill");
  }

  private void assertRefused(int exitCode, String line, String... arguments) {
    assertThat(run(arguments)).isEqualTo(exitCode);
    assertThat(err.toString()).isEqualTo(line + System.lineSeparator());
    assertThat(out.toString()).isEmpty();
  }

  private int run(String... arguments) {
    CommandLine command = Main.commandLine();
    command.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    return command.execute(arguments);
  }
}
