package org.retort.presets;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.ChildJvm;

/** What JavaCPP generates is the same in each build. */
final class JniBuilderTest {
  private static final Path PROGRAM = Path.of("src/build/java/JniBuilder.java");
  private static final Path BINDINGS = Path.of("org/retort/bindings");

  @TempDir private Path folder;

  /** Where the virtual machine keeps names depends on each of these. */
  @Test
  void main_otherFolderCollectorAndCache_writesTheSame() throws Exception {
    Path classes = Path.of("target/classes");
    Path copy = folder.resolve("the same classes in a folder with a longer name");
    Files.createDirectories(copy.resolve(BINDINGS).getParent());
    copyFolder(classes.resolve(BINDINGS), copy.resolve(BINDINGS));

    Path generated = generate("one", classes, "-XX:+UseParallelGC");
    Path generatedFromCopy = generate("two", copy, "-XX:+UseSerialGC", "-Xshare:off");

    assertThat(generated.resolve("jniretort.cpp"))
        .isNotEmptyFile()
        .hasSameBinaryContentAs(generatedFromCopy.resolve("jniretort.cpp"));
    assertThat(generated.resolve("jnijavacpp.cpp"))
        .isNotEmptyFile()
        .hasSameBinaryContentAs(generatedFromCopy.resolve("jnijavacpp.cpp"));
  }

  private Path generate(String name, Path classes, String... options) throws Exception {
    Path generated = Files.createDirectory(folder.resolve(name));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(options));
    command.add("--add-opens=java.base/java.lang=ALL-UNNAMED");
    command.addAll(List.of("-cp", classes + ":" + ChildJvm.classPath()));
    command.addAll(List.of(PROGRAM.toString(), classes.toString()));
    command.addAll(List.of("-classpath", classes.toString()));
    command.addAll(List.of("-nocompile", "-nodelete", "-d", generated.toString()));
    command.add("org.retort.bindings.**");
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes());
    assertThat(process.waitFor()).as(output).isZero();
    return generated;
  }

  private static void copyFolder(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(from.relativize(file)));
      }
    }
  }
}
