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
  private static final String NATIVE_MODULES =
      "org.bytedeco.javacpp,org.bytedeco.openblas,org.bytedeco.pytorch,org.retort";

  private static final String PROGRAM =
      """
      public final class Program {
        public static void main(String[] args) {
          System.out.println(org.retort.Retort.class.getModule().getName());
          System.out.println(org.retort.Retort.version());
          System.out.println(org.retort.data.Digits.load().train().size());
        }
      }
      """;

  @Test
  void program_onTheModulePath_runsWithoutAWarning(@TempDir Path folder) throws Exception {
    assertThat(Files.readString(Path.of("docs/java-services.md"))).contains(NATIVE_MODULES);
    Path source = Files.writeString(folder.resolve("Program.java"), PROGRAM);
    List<String> command = PackedJars.java("--enable-native-access=" + NATIVE_MODULES);
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
    assertThat(output).matches("org\\.retort\n\\d+\\.\\d+\\.\\d+\n1438\n");
    assertThat(PackedJars.errors(folder)).doesNotContain("WARNING");
  }
}
