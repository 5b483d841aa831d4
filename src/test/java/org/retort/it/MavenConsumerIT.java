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
 * A new Maven project of the README's {@code pom.xml}, example and command, against the packed
 * artifacts; with the natives for CUDA, if they are those that were built.
 */
class MavenConsumerIT {
  private static final String VERSION = System.getProperty("retort.version");

  @TempDir private Path folder;

  @Test
  void readmeExample_inNewProject_compilesAndRuns() throws Exception {
    Path repository = repository();
    Path project = Files.createDirectory(folder.resolve("project"));
    String pom =
        Page.README
            .block("xml")
            .replaceFirst("<version>0\\.1\\.0.*</version>", "<version>" + VERSION + "</version>")
            .replace("retort-platform<", "retort-platform" + PackedJars.EXTENSION + "<");
    Files.writeString(project.resolve("pom.xml"), pom);
    Path sources = Files.createDirectories(project.resolve("src/main/java"));
    Files.writeString(sources.resolve("ReadmeExample.java"), Page.README.block("java"));

    assertThat(Page.README.blocks("sh")).contains("mvn -B compile exec:exec\n");
    ProcessBuilder builder =
        new ProcessBuilder(
                Path.of(System.getProperty("maven.home"), "bin", "mvn").toString(),
                "-B",
                "-Dmaven.repo.local=" + repository,
                "compile",
                "exec:exec")
            .directory(project.toFile())
            .redirectErrorStream(true);
    PackedJars.extension()
        .ifPresent(option -> builder.environment().put("JAVA_TOOL_OPTIONS", option));
    Process maven = builder.start();
    String output = new String(maven.getInputStream().readAllBytes());

    assertThat(maven.waitFor()).as(output).isZero();
    assertThat(output).contains("teacher: ", "student: ").doesNotContain("restricted method");
    assertThat(project.resolve("student.pt")).isNotEmptyFile();
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

    Path artifacts = Path.of(System.getProperty("retort.artifacts"));
    Path poms = Path.of(System.getProperty("retort.poms"));
    for (String artifact : List.of("retort", "retort-platform" + PackedJars.EXTENSION)) {
      Path target =
          Files.createDirectories(
              organisation.resolve("retort").resolve(artifact).resolve(VERSION));
      Files.copy(
          poms.resolve(artifact + ".xml"), target.resolve(artifact + "-" + VERSION + ".pom"));
    }
    for (String suffix : List.of(".jar", "-cli.jar", "-" + PackedJars.CLASSIFIER + ".jar")) {
      String name = "retort-" + VERSION + suffix;
      Files.copy(
          artifacts.resolve(name),
          organisation.resolve("retort/retort").resolve(VERSION).resolve(name));
    }
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
