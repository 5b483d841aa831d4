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
            "--rows=",
            "student, kd",
            "Default: all.",
            "--weights=",
            "Default: kd=1.0",
            "--seeds=",
            "Default: 3.",
            "--epochs=",
            "Default: 15.",
            "--teacher-epochs=",
            "Default: 20.",
            "--labels-per-class=",
            "Default: 5.",
            "--output=",
            "Default: target/distill.",
            "--threads=",
            "here " + Runtime.getRuntime().availableProcessors() + ".");
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
  void help_retort_listsTheSubcommand() {
    assertThat(run("--help")).isZero();
    assertThat(out.toString()).contains("distill");
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
        "--rows teacher | Invalid value for option '--rows' (<row>): must be one of {rows}"
            + " (got teacher)",
        "--rows kd,,student | Invalid value for option '--rows' (<row>): must be one of {rows}"
            + " (got )",
        "--rows | Missing required parameter for option '--rows' (<row>)",
        "--weights kd | Value for option option '--weights' (<row>=<weight>) should be in"
            + " KEY=VALUE[,KEY=VALUE]... format but was kd",
        "--weights kd=-1 | Invalid value for option '--weights' (<row>=<weight>): must be a number"
            + " of at least 0 (got -1)",
        "--weights kd=NaN | Invalid value for option '--weights' (<row>=<weight>): must be a number"
            + " of at least 0 (got NaN)",
        "--weights kd=much | Invalid value for option '--weights' (<row>=<weight>): must be a"
            + " number of at least 0 (got much)",
        "--weights ofx=1 | Invalid value for option '--weights' (<row>=<weight>): must be one of"
            + " {rows} (got ofx)",
        "--weights student=1 | --weights must name rows that have a weight (got student)",
        "--seeds 0 | --seeds must be between 1 and 1000 (got 0)",
        "--seeds 1.5 | Invalid value for option '--seeds': '1.5' is not an int",
        "--epochs 0 | --epochs must be between 1 and 10000 (got 0)",
        "--teacher-epochs -3 | --teacher-epochs must be between 1 and 10000 (got -3)",
        "--labels-per-class 101 | --labels-per-class must be between 1 and 100 (got 101)",
        "--threads 0 | --threads must be between 1 and 1024 (got 0)",
        "--sedes 3 | Unknown options: '--sedes', '3'",
        "everything | Unmatched argument at index 1: 'everything'"
      })
  void distill_wrongOption_isOneLineAndExitCode2(String arguments, String message) {
    String line = message.replace("{rows}", String.join(", ", Row.ids()));
    assertRefused(2, "retort distill: " + line, ("distill " + arguments).split(" ", -1));
  }

  @Test
  void distill_outputIsAFile_isOneLineAndExitCode2() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    assertRefused(
        2,
        "retort distill: --output must be a folder that is there or can be made (got " + file + ")",
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
