package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A team's native library, as docs/cpp.md has it, against the installed C++ half, and the packed
 * Java half in one process: whichever comes first, both work, or one of them is refused.
 */
class TeamLibraryIT {
  private static final Path JARS = PackedJars.FOLDER;
  private static final Page PAGE = new Page("docs/cpp.md");

  /** The same library with the run path that CMake gives by default. */
  private static final String WITH_RUN_PATH =
      """
      add_library(team_with_run_path SHARED $<TARGET_OBJECTS:team>)
      target_link_libraries(team_with_run_path PRIVATE Retort::retort)
      """;

  /** Does one thing after the other, whatever comes of it. */
  private static final String ORDER =
      """
      public final class Order {
        public static void main(String[] steps) {
          for (String step : steps) {
            try {
              switch (step) {
                case "Retort" -> System.out.println("Retort " + org.retort.Retort.version());
                case "Team" -> Team.main(steps);
                default -> System.load(step);
              }
            } catch (LinkageError error) {
              System.out.println(error);
            }
          }
        }
      }
      """;

  @TempDir private static Path folder;
  private static Path classes;
  private static Path library;
  private static Path libraryWithRunPath;
  private static Path prefix;

  @BeforeAll
  static void build() throws Exception {
    prefix = folder.resolve("prefix");
    Path source = Files.createDirectory(folder.resolve("source"));
    Files.writeString(
        source.resolve("CMakeLists.txt"), PAGE.blocks("cmake").get(1) + WITH_RUN_PATH);
    Files.writeString(source.resolve("team.cpp"), PAGE.blocks("cpp").get(3));
    Files.writeString(source.resolve("Team.java"), PAGE.block("java"));
    Files.writeString(source.resolve("Order.java"), ORDER);

    String nativeBuild = System.getProperty("retort.native.build");
    run("cmake", "--install", nativeBuild, "--prefix", prefix.toString());
    Path build = folder.resolve("build");
    run(
        "cmake",
        "-S",
        source.toString(),
        "-B",
        build.toString(),
        "-G",
        "Ninja",
        "-DCMAKE_PREFIX_PATH=" + prefix,
        "-DLibTorch_ROOT=" + System.getProperty("retort.libtorch"));
    run("cmake", "--build", build.toString());
    library = build.resolve("libteam.so");
    libraryWithRunPath = build.resolve("libteam_with_run_path.so");

    classes = folder.resolve("classes");
    run(
        PackedJars.JDK.resolve("bin/javac").toString(),
        "-cp",
        JARS + "/*",
        "-d",
        classes.toString(),
        source.resolve("Team.java").toString(),
        source.resolve("Order.java").toString());
  }

  @Test
  void retortFirst_works() throws Exception {
    assertSameNumbers(java(library.getParent(), JARS, "Team"));
  }

  @Test
  void retortFirst_libraryWithRunPath_works() throws Exception {
    assertSameNumbers(
        java(library.getParent(), JARS, "Order", "Retort", libraryWithRunPath.toString(), "Team"));
  }

  @Test
  void libraryFirst_isMissingItsDependencies_untilRetortIsLoaded() throws Exception {
    List<String> lines =
        java(library.getParent(), JARS, "Order", library.toString(), "Retort", "Team");
    assertThat(lines.get(0))
        .startsWith("java.lang.UnsatisfiedLinkError: " + library)
        .contains("libretort.so.0.1: cannot open shared object file");
    assertThat(lines.get(1)).startsWith("Retort ");
    assertSameNumbers(lines.subList(2, lines.size()));
  }

  @Test
  void libraryWithRunPathFirst_retortIsRefused() throws Exception {
    List<String> lines =
        java(library.getParent(), JARS, "Order", libraryWithRunPath.toString(), "Retort", "Retort");
    assertThat(lines).hasSize(2);
    assertThat(lines.get(0))
        .isEqualTo(lines.get(1))
        .startsWith(
            "java.lang.UnsatisfiedLinkError: Retort: process must have no LibTorch and no"
                + " libretort.so but Retort's own (got ")
        .contains(prefix + "/lib/libretort.so.0.1")
        .contains("/lib/libtorch_cpu.so");
  }

  @Test
  void nativesInOneFolder_anyOrderWorks() throws Exception {
    Path jars = Files.createDirectory(folder.resolve("jars"));
    try (Stream<Path> all = Files.list(JARS)) {
      for (Path jar : (Iterable<Path>) all::iterator) {
        if (!jar.toString()
            .matches(".*-(" + PackedJars.PLATFORM + "|" + PackedJars.CLASSIFIER + ")\\.jar")) {
          Files.copy(jar, jars.resolve(jar.getFileName()));
        }
      }
    }
    Path natives = natives();
    Files.copy(library, natives.resolve("libteam.so"));
    String first = natives.resolve("libteam.so").toString();

    assertSameNumbers(java(natives, jars, "Team"));
    List<String> lines = java(natives, jars, "Order", first, "Retort", "Team");
    assertThat(lines.get(0)).startsWith("Retort ");
    assertSameNumbers(lines.subList(1, lines.size()));
  }

  private static void assertSameNumbers(List<String> lines) {
    List<String> numbers = lines.stream().filter(line -> !line.startsWith("Retort ")).toList();
    assertThat(numbers).hasSize(2);
    assertThat(numbers.get(0)).matches("C\\+\\+: +0\\.\\d+");
    assertThat(numbers.get(1).replaceAll(".* ", ""))
        .isEqualTo(numbers.get(0).replaceAll(".* ", ""));
  }

  /** Returns what a program prints that ends well. */
  private static List<String> java(Path libraries, Path jars, String... program) throws Exception {
    return java(List.of(), libraries, jars, program);
  }

  private static List<String> java(
      List<String> options, Path libraries, Path jars, String... program) throws Exception {
    List<String> command = PackedJars.java("-XX:-CreateCoredumpOnCrash");
    command.addAll(options);
    boolean inOneFolder = !jars.equals(JARS);
    if (!inOneFolder) {
      command.add("-Djava.library.path=" + libraries);
    }
    command.addAll(List.of("-cp", classes + File.pathSeparator + jars + "/*"));
    Collections.addAll(command, program);
    ProcessBuilder builder = new ProcessBuilder(command);
    if (inOneFolder) {
      builder
          .environment()
          .merge("LD_LIBRARY_PATH", libraries.toString(), (old, own) -> own + ":" + old);
    }
    return PackedJars.run(builder, folder).lines().toList();
  }

  private static void run(String... command) throws Exception {
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("JAVA_HOME", PackedJars.JDK.toString());
    PackedJars.run(builder, folder);
  }

  /** Collects what JavaCPP unpacks, as docs/java-services.md has it. */
  private static Path natives() throws Exception {
    Path cache = Files.createDirectory(folder.resolve("cache"));
    java(List.of("-Dorg.bytedeco.javacpp.cachedir=" + cache), library.getParent(), JARS, "Team");
    Path natives = Files.createDirectory(folder.resolve("natives"));
    try (Stream<Path> all = Files.walk(cache)) {
      for (Path file : all.filter(TeamLibraryIT::isLibrary).toList()) {
        Files.move(file, natives.resolve(file.getFileName()));
      }
    }
    return natives;
  }

  private static boolean isLibrary(Path file) {
    String name = file.getFileName().toString();
    return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
        && name.matches("lib.*\\.so[.\\d]*")
        && !name.startsWith("libgcc_s");
  }
}
