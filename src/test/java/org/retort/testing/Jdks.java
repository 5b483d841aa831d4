package org.retort.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The JDKs of this machine. */
public final class Jdks {
  private static final Pattern VERSION = Pattern.compile("JAVA_VERSION=\"(\\d+)");

  private Jdks() {}

  /** Finds one of a version or newer: the one that runs this, or one in a folder beside it. */
  public static Optional<Path> atLeast(int version) throws IOException {
    Path jdk = Path.of(System.getProperty("java.home"));
    if (Runtime.version().feature() >= version) {
      return Optional.of(jdk);
    }
    try (Stream<Path> others = Files.list(jdk.getParent())) {
      return others.filter(other -> versionOf(other) >= version).findFirst();
    }
  }

  private static int versionOf(Path jdk) {
    try {
      Matcher release = VERSION.matcher(Files.readString(jdk.resolve("release")));
      boolean isJdk = Files.isExecutable(jdk.resolve("bin/java")) && release.find();
      return isJdk ? Integer.parseInt(release.group(1)) : 0;
    } catch (IOException error) {
      return 0;
    }
  }
}
