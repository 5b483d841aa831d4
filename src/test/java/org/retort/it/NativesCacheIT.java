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
    List<String> command =
        PackedJars.java("-Dorg.bytedeco.javacpp.cachedir=" + folder.resolve("cache"));
    command.addAll(List.of("-cp", PackedJars.FOLDER + "/*", source.toString()));
    return PackedJars.run(new ProcessBuilder(command), folder);
  }
}
