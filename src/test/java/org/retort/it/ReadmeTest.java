package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What the README shows is what the build compiles and runs. */
class ReadmeTest {
  @Test
  void javaBlock_isTheExampleThatIsTested() throws IOException {
    Path example = Path.of("src/test/java/org/retort/examples/ReadmeExample.java");
    assertThat("package org.retort.examples;\n\n" + Readme.block("java"))
        .isEqualTo(Files.readString(example));
  }

  @Test
  void cppBlock_isTheExampleThatIsTested() throws IOException {
    Path example = Path.of("native/tests/install/example.cpp");
    assertThat(Readme.block("cpp")).isEqualTo(Files.readString(example));
  }
}
