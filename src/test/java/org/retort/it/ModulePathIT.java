package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The packed jars on the module path, where two jars with the name of one module hide each other.
 */
class ModulePathIT {
  private static final String PLATFORM = "linux-x86_64";
  private static final String CLASSIFIER = System.getProperty("retort.classifier");
  private static final Path JARS = Path.of(System.getProperty("retort.artifacts"), "retort", "lib");

  private static final String PROGRAM =
      """
      public final class Program {
        public static void main(String[] args) {
          System.out.println(org.retort.Retort.class.getModule().getName());
          System.out.println(org.retort.Retort.version());
        }
      }
      """;

  @Test
  void version_onTheModulePath_isThatOfTheNatives(@TempDir Path folder) throws Exception {
    Path source = Files.writeString(folder.resolve("Program.java"), PROGRAM);
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    if (!CLASSIFIER.equals(PLATFORM)) {
      command.add(
          "-Dorg.bytedeco.javacpp.platform.extension=" + CLASSIFIER.substring(PLATFORM.length()));
    }
    try (Stream<Path> jars = Files.list(JARS)) {
      command.add("--module-path");
      command.add(
          jars.map(Path::toString)
              .filter(
                  jar ->
                      jar.matches(".*/(retort|pytorch|openblas|javacpp|slf4j-api|jspecify)-[^/]*"))
              .collect(Collectors.joining(File.pathSeparator)));
    }
    command.addAll(List.of("--add-modules", "ALL-MODULE-PATH", source.toString()));
    Path errors = folder.resolve("errors");
    Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
    String output = new String(process.getInputStream().readAllBytes());
    assertThat(process.waitFor()).as(Files.readString(errors)).isZero();
    assertThat(output.lines()).hasSize(2);
    assertThat(output).matches("org\\.retort\n\\d+\\.\\d+\\.\\d+\n");
  }
}
