package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A new Maven project with the README's dependencies and example, against the packed artifacts;
 * with the natives for CUDA, if they are those that were built.
 */
class MavenConsumerIT {
  private static final String VERSION = System.getProperty("retort.version");
  private static final String PLATFORM = "linux-x86_64";
  private static final String CLASSIFIER = System.getProperty("retort.classifier");

  private static final String POM =
      """
      <project xmlns="http://maven.apache.org/POM/4.0.0">
        <modelVersion>4.0.0</modelVersion>
        <groupId>example</groupId>
        <artifactId>consumer</artifactId>
        <version>1</version>
        <properties>
          <maven.compiler.release>17</maven.compiler.release>
          <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
        </properties>
      %s
        <build>
          <plugins>
            <plugin>
              <artifactId>maven-compiler-plugin</artifactId>
              <version>3.16.0</version>
            </plugin>
            <plugin>
              <artifactId>maven-resources-plugin</artifactId>
              <version>3.5.0</version>
            </plugin>
            <plugin>
              <groupId>org.codehaus.mojo</groupId>
              <artifactId>exec-maven-plugin</artifactId>
              <version>3.6.4</version>
            </plugin>
          </plugins>
        </build>
      </project>
      """;

  @TempDir private Path folder;

  @Test
  void readmeExample_inNewProject_compilesAndRuns() throws Exception {
    Path repository = repository();
    Path project = Files.createDirectory(folder.resolve("project"));
    String dependencies =
        Page.README
            .block("xml")
            .replaceAll(
                "(<artifactId>(retort|pytorch)</artifactId>\\s*<version>.*</version>\\s*<classifier>)"
                    + PLATFORM,
                "$1" + CLASSIFIER);
    Files.writeString(project.resolve("pom.xml"), String.format(POM, dependencies));
    Path sources = Files.createDirectories(project.resolve("src/main/java"));
    Files.writeString(sources.resolve("ReadmeExample.java"), Page.README.block("java"));

    Process maven =
        new ProcessBuilder(
                Path.of(System.getProperty("maven.home"), "bin", "mvn").toString(),
                "-B",
                "-Dmaven.repo.local=" + repository,
                "compile",
                "exec:exec",
                "-Dexec.executable=" + Path.of(System.getProperty("java.home"), "bin", "java"),
                "-Dexec.args=" + extension() + "-cp %classpath ReadmeExample")
            .directory(project.toFile())
            .redirectErrorStream(true)
            .start();
    String output = new String(maven.getInputStream().readAllBytes());

    assertThat(maven.waitFor()).as(output).isZero();
    assertThat(output).contains("loss").contains("correct");
    assertThat(project.resolve("student.pt")).isNotEmptyFile();
  }

  /** The option of the JVM for natives of another classifier than the platform's. */
  private static String extension() {
    return CLASSIFIER.equals(PLATFORM)
        ? ""
        : "-Dorg.bytedeco.javacpp.platform.extension="
            + CLASSIFIER.substring(PLATFORM.length())
            + " ";
  }

  /**
   * Makes a local repository that has our artifacts as {@code mvn install} would put them, and
   * everything else by links into the one in use: nothing is downloaded twice, and nothing is left
   * there.
   */
  private Path repository() throws IOException {
    Path used = Path.of(System.getProperty("maven.repository"));
    Path repository = Files.createDirectory(folder.resolve("repository"));
    link(used, repository, "org");
    Path organisation = Files.createDirectory(repository.resolve("org"));
    link(used.resolve("org"), organisation, "retort");

    Path target =
        Files.createDirectories(organisation.resolve("retort").resolve("retort").resolve(VERSION));
    Path artifacts = Path.of(System.getProperty("retort.artifacts"));
    for (String suffix : List.of(".jar", "-" + CLASSIFIER + ".jar")) {
      String name = "retort-" + VERSION + suffix;
      Files.copy(artifacts.resolve(name), target.resolve(name));
    }
    Files.copy(
        Path.of(System.getProperty("retort.pom")), target.resolve("retort-" + VERSION + ".pom"));
    return repository;
  }

  private static void link(Path from, Path to, String except) throws IOException {
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(from)) {
      for (Path entry : entries) {
        String name = entry.getFileName().toString();
        if (!name.equals(except)) {
          Files.createSymbolicLink(to.resolve(name), entry);
        }
      }
    }
  }
}
