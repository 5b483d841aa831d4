package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The packed command line, run from elsewhere. */
class CommandLineIT {
  private static final Path ARTIFACTS = Path.of(System.getProperty("retort.artifacts"));
  private static final Path COMMAND = ARTIFACTS.resolve("retort/bin/retort");

  @TempDir private Path folder;

  private record Result(int status, String output) {}

  @Test
  void retort_byALink_runs() throws Exception {
    Path link = Files.createSymbolicLink(folder.resolve("link"), COMMAND);

    assertThat(run(link, System.getProperty("java.home"), "--version"))
        .isEqualTo(new Result(0, "retort " + version() + "\n"));
  }

  @Test
  void retort_distill_trainsAndReports() throws Exception {
    Result result =
        run(
            COMMAND,
            System.getProperty("java.home"),
            "distill --methods student --seeds 1 --epochs 1 --output results".split(" "));

    assertThat(result.status()).as(result.output()).isZero();
    assertThat(result.output()).contains("student alone");
    assertThat(folder.resolve("results/results.json")).isNotEmptyFile();
  }

  @Test
  void retort_withoutJava_saysSo() throws Exception {
    assertThat(run(COMMAND, "/nowhere", "--version"))
        .isEqualTo(
            new Result(
                127, "retort: Java 17 or later must be installed (got no /nowhere/bin/java)\n"));
  }

  @Test
  void libraries_areThoseOfTheCommandLineOnly() throws Exception {
    try (Stream<Path> libraries = Files.list(ARTIFACTS.resolve("retort/lib"))) {
      assertThat(libraries.map(file -> file.getFileName().toString()))
          .anyMatch(name -> name.startsWith("retort-"))
          .noneMatch(name -> name.startsWith("junit") || name.contains("javadoc"));
    }
  }

  private static String version() {
    return System.getProperty("retort.version").replace("-SNAPSHOT", "");
  }

  private Result run(Path command, String javaHome, String... arguments) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(
                Stream.concat(Stream.of(command.toString()), Stream.of(arguments)).toList())
            .directory(folder.toFile())
            .redirectErrorStream(true);
    builder.environment().putAll(Map.of("JAVA_HOME", javaHome));
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes());
    return new Result(process.waitFor(), output);
  }
}
