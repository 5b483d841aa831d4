package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.retort.it.Page.Block;
import org.retort.recipes.Recipes;

/**
 * What the documentation shows is what the build compiles and runs. Each block of each page must
 * have a language, and each language its proof:
 *
 * <ul>
 *   <li>Java and C++ are part of a source that a test runs, or of one that an integration test
 *       makes of the block; so is CMake, and Maven's XML;
 *   <li>YAML is a recipe that can be read, or Kubernetes' probes of what a test asks, too;
 *   <li>Kotlin, of Gradle, has the dependencies of the README's {@code pom.xml};
 *   <li>Python is run by ctest, which is given the pages, where the modules are that it imports;
 *   <li>shell, and commands in the text, name what there is: see {@link ShellScript};
 *   <li>a Dockerfile's instructions, stages and commands can be read;
 *   <li>{@code text} is what programs print, and drawings: nobody proves it.
 * </ul>
 */
class PagesTest {
  private static final Path CONSUMER = Path.of("native/tests/install");
  private static final Path TESTS = Path.of("src/test/java");
  private static final List<Path> EXAMPLES =
      List.of(Path.of("src/examples/java"), TESTS.resolve("org/retort/examples"));

  /** Blocks that an integration test builds: which, and what its source says to take it. */
  private record Built(String page, String block, String test, String expression) {}

  private static final List<Built> BUILT =
      List.of(
          new Built("README.md", "xml 1", "MavenConsumerIT", "Page.README.block(\"xml\")"),
          new Built("docs/cpp.md", "cpp 4", "TeamLibraryIT", "PAGE.blocks(\"cpp\").get(3)"),
          new Built("docs/cpp.md", "cmake 2", "TeamLibraryIT", "PAGE.blocks(\"cmake\").get(1)"),
          new Built("docs/cpp.md", "java 1", "TeamLibraryIT", "PAGE.block(\"java\")"));

  static List<Block> blocks() {
    return Page.all().stream().flatMap(page -> page.blocks().stream()).toList();
  }

  static List<Page> pages() {
    return Page.all();
  }

  @ParameterizedTest
  @MethodSource("blocks")
  void block_isProved(Block block, @TempDir Path folder) throws IOException {
    try {
      prove(block, folder);
    } catch (AssertionError | RuntimeException error) {
      throw new AssertionError(block + ": " + error.getMessage(), error);
    }
  }

  private static void prove(Block block, Path folder) throws IOException {
    if (isBuiltByIntegrationTest(block)) {
      return;
    }
    switch (block.language()) {
      case "java" -> assertPartOfAnExample(block);
      case "cpp" -> assertPartOf(block, files(CONSUMER, ".cpp"));
      case "cmake" -> assertPartOf(block, List.of(CONSUMER.resolve("CMakeLists.txt")));
      case "yaml" -> {
        if (block.text().contains("httpGet")) {
          assertProbesAreTested(block.text());
        } else {
          Path file = Files.writeString(folder.resolve("recipe.yaml"), block.text());
          assertThat(Recipes.load(file.toString()).methodNames()).isNotEmpty();
        }
      }
      case "kotlin" ->
          assertThat(gradleDependencies(block.text()))
              .isEqualTo(mavenDependencies(Page.README.block("xml")));
      case "python" ->
          assertThat(Files.readString(Path.of("native/tests/CMakeLists.txt")))
              .contains("${PROJECT_SOURCE_DIR}/../" + block.file());
      case "sh" -> new ShellScript(block.text()).check();
      case "dockerfile" -> assertDockerfile(block.text());
      default -> assertThat(block.language()).isEqualTo("text");
    }
  }

  /** Probes of Kubernetes ask what the test of the service that they belong to asks. */
  private static void assertProbesAreTested(String probes) throws IOException {
    String test =
        Files.readString(TESTS.resolve("org/retort/examples/spring/DigitsApplicationTest.java"));
    List<String> paths =
        Pattern.compile("path: ([^,}]+)").matcher(probes).results().map(m -> m.group(1)).toList();
    assertThat(paths).isNotEmpty().allSatisfy(path -> assertThat(test).contains(path));
  }

  @ParameterizedTest
  @MethodSource("pages")
  void text_namesCommandsThatThereAre(Page page) {
    for (String code : page.code()) {
      if (code.matches("(mvn|cmake|ctest|retort|target/retort/bin/retort|java) .*|-(D|XX:).*")) {
        Stream.of(code.split(" ")).forEach(ShellScript::checkJava);
      }
      if (code.matches("(mvn|cmake|ctest|retort|target/retort/bin/retort|java|JAZZER_FUZZ=1) .*")) {
        new ShellScript(code).check();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("pages")
  void text_linksToWhatThereIs(Page page) {
    for (String link : page.links()) {
      if (!link.startsWith("https://")) {
        Path file = Path.of(page.file()).resolveSibling(link.replaceAll("#.*", "")).normalize();
        Path target = link.startsWith("#") ? Path.of(page.file()) : file;
        assertThat(target).as(link).exists();
        if (link.contains("#")) {
          assertThat(new Page(target.toString()).anchors())
              .as(link)
              .contains(link.replaceAll(".*#", ""));
        }
      }
    }
  }

  @Test
  void pages_showWholeExamples() throws IOException {
    assertThat("package org.retort.examples;\n\n" + Page.README.block("java"))
        .isEqualTo(Files.readString(TESTS.resolve("org/retort/examples/ReadmeExample.java")));
    assertThat(new Page("docs/cpp.md").block("cpp"))
        .isEqualTo(Files.readString(CONSUMER.resolve("example.cpp")));
  }

  @Test
  void readme_namesTheLoggingThatIsTested() throws IOException {
    String pom = Files.readString(Path.of("pom.xml"));
    String version = pom.replaceFirst("(?s).*<artifactId>logback-classic</artifactId>\\s*", "");
    assertThat(Page.README.code())
        .contains(
            "ch.qos.logback:logback-classic:"
                + version.replaceFirst("(?s)<version>(.*?)</version>.*", "$1"));
  }

  private static boolean isBuiltByIntegrationTest(Block block) {
    List<String> all = new Page(block.file()).blocks(block.language());
    String name = block.language() + " " + (all.indexOf(block.text()) + 1);
    for (Built built : BUILT) {
      if (built.page.equals(block.file()) && built.block.equals(name)) {
        String source = read(TESTS.resolve("org/retort/it/" + built.test + ".java"));
        assertThat(source.replaceAll("\\s", "")).contains(built.expression);
        return true;
      }
    }
    return false;
  }

  /** The example must be one that a test names, or a test itself. */
  private static void assertPartOfAnExample(Block block) {
    List<Path> examples =
        EXAMPLES.stream().flatMap(folder -> files(folder, ".java").stream()).toList();
    Path example = assertPartOf(block, examples);
    String name = example.getFileName().toString().replace(".java", "");
    assertThat(files(TESTS, "Test.java"))
        .as("tests of %s", example)
        .anyMatch(test -> Pattern.compile("\\b" + name + "\\b").matcher(read(test)).find());
  }

  /** Fails unless a source has the block's lines, all of them moved to the right alike. */
  private static Path assertPartOf(Block block, List<Path> sources) {
    String lines = block.text().stripTrailing().stripIndent(); // a last line feed has no indent
    return sources.stream()
        .filter(source -> hasLines(read(source).lines().toList(), lines))
        .findFirst()
        .orElseThrow(() -> new AssertionError("must be part of a source that is tested"));
  }

  private static boolean hasLines(List<String> source, String lines) {
    int count = (int) lines.lines().count();
    for (int i = 0; i + count <= source.size(); i++) {
      if (String.join("\n", source.subList(i, i + count)).stripIndent().equals(lines)) {
        return true;
      }
    }
    return false;
  }

  /** Returns group, artifact, version and classifier of each. */
  private static Set<String> gradleDependencies(String kotlin) {
    return Pattern.compile("\"([^\"]+)\"")
        .matcher(kotlin)
        .results()
        .map(found -> found.group(1))
        .collect(Collectors.toSet());
  }

  private static Set<String> mavenDependencies(String pom) {
    return Pattern.compile("(?s)<dependency>(.*?)</dependency>")
        .matcher(pom)
        .results()
        .map(PagesTest::coordinates)
        .collect(Collectors.toSet());
  }

  private static String coordinates(MatchResult dependency) {
    return Pattern.compile("<(\\w+)>(.*?)</\\1>")
        .matcher(dependency.group(1))
        .results()
        .filter(element -> !element.group(1).equals("type"))
        .map(element -> element.group(2))
        .collect(Collectors.joining(":"));
  }

  private static void assertDockerfile(String text) {
    Set<String> stages =
        Pattern.compile("(?m)^FROM \\S+ AS (\\w+)$")
            .matcher(text)
            .results()
            .map(stage -> stage.group(1))
            .collect(Collectors.toSet());
    for (String instruction : text.replace("\\\n", " ").split("\n")) {
      String[] words = instruction.split("\\s+");
      if (instruction.isEmpty() || instruction.startsWith("#")) {
        continue;
      }
      assertThat(words[0]).isIn("FROM", "RUN", "COPY", "ENV", "USER", "ENTRYPOINT");
      if (instruction.startsWith("COPY --from=")) {
        assertThat(stages).contains(words[1].replace("--from=", ""));
      }
      Pattern.compile("-(D|XX:)[^\\s\",]+")
          .matcher(instruction)
          .results()
          .forEach(option -> ShellScript.checkJava(option.group()));
    }
  }

  private static List<Path> files(Path folder, String end) {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(file -> file.toString().endsWith(end)).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
