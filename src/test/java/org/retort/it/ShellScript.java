package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.retort.cli.CommandLines;

/**
 * A block of shell, which is not run: most would build for minutes, install packages or never end.
 * What it names must be there instead:
 *
 * <ul>
 *   <li>the shell can read it, and every program is one that this class knows;
 *   <li>{@code mvn}: phases, executions, profiles, properties and test classes exist;
 *   <li>{@code retort} and {@code distill.options}: picocli takes the options;
 *   <li>{@code cmake} and {@code ctest}: presets, folders, variables and targets exist;
 *   <li>{@code java}: the JVM has the flags, and somebody reads the properties of Retort and
 *       JavaCPP;
 *   <li>{@code curl}: the example service has the path; {@code jfr}: there is the event;
 *   <li>scripts, and the folders of {@code cd}, exist, and scripts know their options.
 * </ul>
 *
 * <p>Packages are not looked up: {@code .ci/run} installs those of the README.
 */
record ShellScript(String text) {
  private static final Pattern WORD =
      Pattern.compile("(?:[^\\s'\"]|'[^']*'|\"(?:[^\"\\\\]|\\\\.)*\")+");
  private static final Set<String> MAVEN =
      Set.of(
          "-B",
          "compile",
          "process-classes",
          "test-compile",
          "test",
          "package",
          "verify",
          "install",
          "surefire:test@default-test",
          "pitest:mutationCoverage",
          "dependency:copy-dependencies");

  /** Properties of plugins, which their documentation has. */
  private static final Set<String> PLUGIN_PROPERTIES =
      Set.of("skipTests", "test", "jvm", "includeScope", "outputDirectory");

  /** Fails if the script can't be run as it is. */
  void check() {
    assertReadable(text.replace("…", "x"));
    String joined =
        text.replaceAll("\\$\\(.*\\)", "x")
            .replaceAll("\\\\\n", " ")
            .replaceAll("(?m)(^|\\s)#.*$", "");
    for (String command : joined.split("\n|&&|\\|\\||;")) {
      List<String> words = new ArrayList<>();
      WORD.matcher(command)
          .results()
          .map(word -> word.group().replaceAll("['\"]", ""))
          .filter(word -> !word.equals("…"))
          .forEach(words::add);
      words.removeIf(new Assignments());
      if (!words.isEmpty()) {
        checkCommand(words.get(0), words.subList(1, words.size()));
      }
    }
  }

  private static void checkCommand(String program, List<String> args) {
    switch (program) {
      case "sudo" -> checkCommand(args.get(0), args.subList(1, args.size()));
      case "apt-get" -> assertThat(args).startsWith("install", "-y");
      case "mvn" -> args.forEach(ShellScript::checkMaven);
      case "cmake", "ctest" -> checkCmake(program, args);
      case "target/retort/bin/retort", "retort" -> checkRetort(args);
      case "java" -> args.forEach(ShellScript::checkJava);
      case "jfr" -> checkFlightRecorder(args);
      case "curl" ->
          args.stream()
              .filter(arg -> arg.startsWith("localhost:8080"))
              .forEach(url -> checkQuoted(url.replace("localhost:8080", ""), "src/examples/java"));
      case "cd" -> assertThat(Path.of(args.get(0))).isDirectory();
      case "Rscript" -> assertThat(args).startsWith("-e");
      case "python3" -> checkScript(args.get(0), args.subList(1, args.size()));
      default -> {
        if (program.startsWith("-")) { // what to add to a command
          checkJava(program);
          args.forEach(ShellScript::checkJava);
        } else {
          checkBuilt(program);
        }
      }
    }
  }

  private static void checkMaven(String arg) {
    String pom = read(Path.of("pom.xml"));
    if (arg.startsWith("-P")) {
      assertThat(pom).contains("<id>" + arg.substring(2) + "</id>");
    } else if (arg.startsWith("-D")) {
      checkMavenProperty(arg.substring(2), pom);
    } else if (arg.startsWith("exec:exec@")) {
      assertThat(pom).contains("<id>" + arg.substring("exec:exec@".length()) + "</id>");
    } else if (!arg.equals("exec:exec")) { // of the README's pom.xml, which MavenConsumerIT runs
      assertThat(arg).isIn(MAVEN);
    }
  }

  private static void checkMavenProperty(String definition, String pom) {
    String name = definition.replaceAll("=.*", "");
    String value = definition.substring(Math.min(definition.length(), name.length() + 1));
    boolean isOfPom = pom.contains("<" + name + ">") || pom.contains("${" + name + "}");
    if (!isOfPom && !PLUGIN_PROPERTIES.contains(name)) {
      checkQuoted(name, "src/test/java");
    }
    if (name.equals("distill.options")) {
      checkRetort(List.of(("distill " + value).split(" ")));
    }
    if (name.equals("test")) {
      String test = value.replaceAll("#.*", "") + ".java";
      assertThat(files("src/test/java")).anyMatch(file -> file.endsWith(test));
    }
  }

  private static void checkRetort(List<String> args) {
    assertThatCode(() -> CommandLines.parse(args.toArray(String[]::new)))
        .doesNotThrowAnyException();
  }

  private static void checkCmake(String program, List<String> args) {
    String cmake =
        read(Stream.concat(files("native"), files("cmake")).filter(ShellScript::isCmake).toList());
    boolean builds = args.contains("--build");
    Iterator<String> rest = args.iterator();
    while (rest.hasNext()) {
      String arg = rest.next();
      switch (arg) {
        case "--preset" -> checkPreset(builds ? "build" : program, rest.next());
        case "--build" -> {
          // a folder, or a preset
        }
        case "-S" -> assertThat(Path.of(rest.next(), "CMakeLists.txt")).matches(isHereOrExists());
        case "--target" -> checkTarget(rest.next(), cmake);
        case "-B", "-G", "-R", "--test-dir", "--install", "--prefix" -> rest.next();
        default -> {
          if (arg.startsWith("-D")) {
            String variable = arg.substring(2).replaceAll("[=:].*", "");
            assertThat(cmake + "CMAKE_BUILD_TYPE CMAKE_PREFIX_PATH LibTorch_ROOT")
                .containsPattern("\\b" + variable + "\\b");
          } else {
            assertThat(builds).as("%s: %s", program, arg).isTrue();
          }
        }
      }
    }
  }

  private static boolean isCmake(Path file) {
    return file.endsWith("CMakeLists.txt") || file.toString().endsWith(".cmake");
  }

  /** The folder {@code .} is the reader's own. */
  private static Predicate<Path> isHereOrExists() {
    return file -> file.startsWith(".") || Files.exists(file);
  }

  private static void checkPreset(String kind, String name) {
    String presets = read(Path.of("native/CMakePresets.json"));
    String section =
        switch (kind) {
          case "build" -> "\"buildPresets\"";
          case "ctest" -> "\"testPresets\"";
          default -> "\"configurePresets\"";
        };
    String behind = presets.substring(presets.indexOf(section));
    int end = behind.indexOf("\n  ]");
    assertThat(behind.substring(0, end)).contains("\"name\": \"" + name + "\"");
  }

  private static void checkTarget(String name, String cmake) {
    if (name.startsWith("check_")) { // of a loss
      Matcher losses = Pattern.compile("RETORT_LOSSES ([^)]*)").matcher(cmake);
      assertThat(losses.find()).isTrue();
      assertThat(losses.group(1).split("\\s+")).contains(name.substring("check_".length()));
    } else {
      assertThat(cmake).containsPattern("\\b" + name + "\\b");
    }
  }

  /** Checks a flag of the JVM, or a property if it is one of Retort's or JavaCPP's. */
  static void checkJava(String arg) {
    if (arg.startsWith("-XX:")) {
      String flag = arg.replaceAll("-XX:[+-]?(\\w+).*", "$1");
      HotSpotDiagnosticMXBean jvm =
          ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
      assertThatCode(() -> jvm.getVMOption(flag)).doesNotThrowAnyException();
    } else if (arg.startsWith("-Dorg.retort.")) {
      checkQuoted(arg.substring(2).replaceAll("=.*", ""), "src/main/java");
    } else if (arg.startsWith("-Dorg.bytedeco.")) {
      String property = arg.substring(2).replaceAll("=.*", "");
      String platform = "org.bytedeco.javacpp.platform."; // followed by any of JavaCPP's own
      assertThat(constants("Loader") + constants("Pointer"))
          .contains(property.startsWith(platform) ? platform : property);
    }
  }

  private static String constants(String javacpp) {
    String file = "/org/bytedeco/javacpp/" + javacpp + ".class";
    try (InputStream code = ShellScript.class.getResourceAsStream(file)) {
      return new String(code.readAllBytes(), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void checkFlightRecorder(List<String> args) {
    assertThat(args).startsWith("print");
    assertThat(args.get(1)).isIn("--events", "--categories");
    checkQuoted(args.get(2), "src/main/java");
  }

  private static void checkScript(String script, List<String> args) {
    String text = read(Path.of(script));
    assertThat(args.stream().filter(arg -> arg.startsWith("--")))
        .allMatch(option -> text.contains('"' + option + '"'));
  }

  /** Checks a program that the page says how to build, or a script. */
  private static void checkBuilt(String program) {
    if (!Files.isExecutable(Path.of(program))) {
      assertThat(program).startsWith("build/");
      String name = program.replaceAll(".*/", "");
      List<Path> cmake = files("native").filter(ShellScript::isCmake).toList();
      assertThat(read(cmake)).containsPattern("\\b" + name + "\\b");
    }
  }

  private static void checkQuoted(String text, String folder) {
    List<Path> sources = files(folder).filter(file -> file.toString().endsWith(".java")).toList();
    assertThat(read(sources)).as(folder).contains('"' + text + '"');
  }

  private static void assertReadable(String script) {
    try {
      Process bash =
          new ProcessBuilder("bash", "-n", "-c", "--", script).redirectErrorStream(true).start();
      assertThat(bash.getInputStream()).asString(StandardCharsets.UTF_8).isEmpty();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Stream<Path> files(String folder) {
    try (Stream<Path> files = Files.walk(Path.of(folder))) {
      return files.filter(Files::isRegularFile).toList().stream();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String read(List<Path> files) {
    return files.stream().map(ShellScript::read).reduce("", String::concat);
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Those before the first other word, such as {@code NAME=value}. */
  private static final class Assignments implements Predicate<String> {
    private boolean isCommand;

    @Override
    public boolean test(String word) {
      isCommand |= !word.matches("[A-Z_]+=.*");
      return !isCommand;
    }
  }
}
