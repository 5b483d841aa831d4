package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.recipes.Recipes;

/** What the documentation shows is what the build compiles and runs. */
class PagesTest {
  private static final Path CONSUMER = Path.of("native/tests/install");

  @Test
  void javaBlockOfReadme_isTheExampleThatIsTested() throws IOException {
    Path example = Path.of("src/test/java/org/retort/examples/ReadmeExample.java");
    assertThat("package org.retort.examples;\n\n" + Page.README.block("java"))
        .isEqualTo(Files.readString(example));
  }

  @Test
  void yamlBlockOfReadme_isARecipe(@TempDir Path folder) throws IOException {
    Path file = Files.writeString(folder.resolve("readme.yaml"), Page.README.block("yaml"));
    assertThat(Recipes.load(file.toString()).methodNames()).containsExactly("student", "kd-nst");
  }

  @Test
  void cppBlockOfReadme_isTheExampleThatIsTested() throws IOException {
    assertThat(Page.README.block("cpp"))
        .isEqualTo(Files.readString(CONSUMER.resolve("example.cpp")));
  }

  @Test
  void blocksForCppTeams_areTheExamplesThatAreTested() throws IOException {
    // TeamLibraryIT builds and runs the one after these.
    assertThat(new Page("docs/cpp.md").blocks("cpp"))
        .hasSize(3)
        .startsWith(
            Files.readString(CONSUMER.resolve("own_loop.cpp")),
            Files.readString(CONSUMER.resolve("own_network.cpp")));
  }
}
