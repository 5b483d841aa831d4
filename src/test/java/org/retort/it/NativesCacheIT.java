package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What JavaCPP has unpacked from the packed jars. */
class NativesCacheIT {
  private static final String PLATFORM = "linux-x86_64";
  private static final String CLASSIFIER = System.getProperty("retort.classifier");
  private static final Path JARS = Path.of(System.getProperty("retort.artifacts"), "retort", "lib");

  private static final String PROGRAM =
      """
      public final class Program {
        public static void main(String[] args) {
          System.out.println(org.retort.Retort.version());
        }
      }
      """;

  @TempDir private Path folder;

  @Test
  void libraries_ofAnotherBuildOfTheSameSizeAndTime_areUnpackedAnew() throws Exception {
    String version = run();
    for (String name : List.of("libjniretort.so", "libretort.so.0.1", "libjnienvironment.so")) {
      Path file = unpacked(name);
      byte[] right = Files.readAllBytes(file);
      FileTime time = Files.getLastModifiedTime(file);
      byte[] other = right.clone();
      other[other.length / 2] ^= 1;
      Files.write(file, other);
      Files.setLastModifiedTime(file, time);

      assertThat(run()).isEqualTo(version);
      assertThat(file).hasBinaryContent(right);
    }
  }

  private Path unpacked(String name) throws Exception {
    try (Stream<Path> files = Files.walk(folder.resolve("cache"))) {
      return files
          .filter(file -> file.endsWith(name) && file.toString().contains("retort-"))
          .findFirst()
          .orElseThrow();
    }
  }

  private String run() throws Exception {
    Path source = Files.writeString(folder.resolve("Program.java"), PROGRAM);
    Path errors = folder.resolve("errors");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dorg.bytedeco.javacpp.cachedir=" + folder.resolve("cache"),
                "-Dorg.bytedeco.javacpp.platform.extension="
                    + CLASSIFIER.substring(PLATFORM.length()),
                "-cp",
                JARS + "/*",
                source.toString())
            .redirectError(errors.toFile())
            .start();
    String output = new String(process.getInputStream().readAllBytes());
    assertThat(process.waitFor()).as(Files.readString(errors)).isZero();
    return output;
  }
}
