package org.retort.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The jars as they are distributed, and the JDK that runs programs with nothing else. */
final class PackedJars {
  static final String PLATFORM = "linux-x86_64";
  static final String CLASSIFIER = System.getProperty("retort.classifier");

  /** What follows the platform in the classifier: nothing, or {@code -gpu}. */
  static final String EXTENSION = CLASSIFIER.substring(PLATFORM.length());

  static final Path FOLDER = Path.of(System.getProperty("retort.artifacts"), "retort", "lib");
  static final Path JDK = Path.of(System.getProperty("java.home"));

  private PackedJars() {}

  /** Returns a command that runs Java with the natives of the jars, to be continued. */
  static List<String> java(String... options) {
    List<String> command = new ArrayList<>();
    command.add(JDK.resolve("bin/java").toString());
    extension().ifPresent(command::add);
    command.addAll(List.of(options));
    return command;
  }

  /** Returns JavaCPP's option for natives of another classifier than the platform's. */
  static Optional<String> extension() {
    return EXTENSION.isEmpty()
        ? Optional.empty()
        : Optional.of("-Dorg.bytedeco.javacpp.platform.extension=" + EXTENSION);
  }

  /** Returns what a command prints, which must succeed; {@code folder} takes its errors. */
  static String run(ProcessBuilder builder, Path folder) throws IOException, InterruptedException {
    Process process = builder.redirectError(folder.resolve("errors").toFile()).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes());
    assertThat(process.waitFor())
        .as("%s: %s%s", builder.command(), output, errors(folder))
        .isZero();
    return output;
  }

  /** Returns what the last command that was run with {@code folder} printed as errors. */
  static String errors(Path folder) throws IOException {
    return Files.readString(folder.resolve("errors"));
  }
}
