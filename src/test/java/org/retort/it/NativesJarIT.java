package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;

/** The packed natives. */
class NativesJarIT {
  private static final String VERSION = System.getProperty("retort.version");
  private static final Path ARTIFACTS = Path.of(System.getProperty("retort.artifacts"));

  @Test
  void libraries_areRetortsAlone() throws Exception {
    Path file = ARTIFACTS.resolve("retort-" + VERSION + "-" + PackedJars.CLASSIFIER + ".jar");
    String folder = "org/retort/" + PackedJars.CLASSIFIER + "/";

    try (JarFile jar = new JarFile(file.toFile())) {
      Stream<String> names = jar.stream().map(ZipEntry::getName);
      assertThat(names.filter(name -> name.matches(".*\\.so[.\\d]*")))
          .containsExactlyInAnyOrder(
              folder + "libjnienvironment.so",
              folder + "libjniretort.so",
              folder + "libretort.so.0.1");
      // the library itself and no link to it
      assertThat(jar.getEntry(folder + "libretort.so.0.1").getSize()).isGreaterThan(1 << 20);
    }
  }
}
