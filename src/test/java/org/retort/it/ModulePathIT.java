package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The packed jars on the module path, where two jars with the name of one module hide each other.
 */
class ModulePathIT {
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
    List<String> command = PackedJars.java();
    try (Stream<Path> jars = Files.list(PackedJars.FOLDER)) {
      command.add("--module-path");
      command.add(
          jars.map(Path::toString)
              .filter(
                  jar ->
                      jar.matches(".*/(retort|pytorch|openblas|javacpp|slf4j-api|jspecify)-[^/]*"))
              .collect(Collectors.joining(File.pathSeparator)));
    }
    command.addAll(List.of("--add-modules", "ALL-MODULE-PATH", source.toString()));
    String output = PackedJars.run(new ProcessBuilder(command), folder);
    assertThat(output.lines()).hasSize(2);
    assertThat(output).matches("org\\.retort\n\\d+\\.\\d+\\.\\d+\n");
  }
}
