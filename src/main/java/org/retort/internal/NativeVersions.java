package org.retort.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.net.URLConnection;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.retort.bindings.global.retort;
import org.retort.internal.NativeLibrary.Obstacle;

/** Compares the versions of the loaded libraries with those that these classes were built with. */
final class NativeVersions {
  private static final Pattern LIBTORCH = Pattern.compile("TORCH_VERSION=((\\d+\\.\\d+)\\.\\d+)");

  private static final Properties BUILT_WITH = builtWith();

  private NativeVersions() {}

  /**
   * Checks the versions that are known before anything is loaded: those in the jars of the classes
   * and of the natives that will be used. Folders, and jars without Maven's properties, have none.
   */
  static void checkJars() {
    check("javacpp", "org.bytedeco", classFile(Loader.class));
    check("pytorch", "org.bytedeco", classFile(torch.class));
    for (URL natives : LibraryFiles.find(torch.class, "jnitorch")) {
      check("pytorch", "org.bytedeco", natives);
    }
    for (URL natives : LibraryFiles.find(retort.class, "jniretort")) {
      check("retort", "org.retort", natives);
    }
  }

  /**
   * Checks the natives' own version.
   *
   * @param version the version, for example 0.1.0
   */
  static void checkNatives(String version) {
    String expected = BUILT_WITH.getProperty("retort");
    if (!version.equals(expected.replaceFirst("-.*", ""))) {
      throw mismatch("retort", expected, version, "libretort.so");
    }
  }

  /**
   * Checks LibTorch's own version; any patch of the same minor version is accepted.
   *
   * @param configuration the result of {@code at::show_config()}
   */
  static void checkLibTorch(String configuration) {
    Matcher version = LIBTORCH.matcher(configuration);
    String expected = BUILT_WITH.getProperty("pytorch");
    if (version.find() && !expected.startsWith(version.group(2) + ".")) {
      throw mismatch("pytorch", expected, version.group(1), "libtorch_cpu.so");
    }
  }

  private static void check(String artifact, String group, URL place) {
    String version = version(place, group + "/" + artifact);
    String expected = BUILT_WITH.getProperty(artifact);
    if (version != null && !version.equals(expected)) {
      throw mismatch(artifact, expected, version, LibraryFiles.jar(place));
    }
  }

  private static Obstacle mismatch(String artifact, String expected, String version, String place) {
    return new Obstacle(
        artifact
            + " must have the version "
            + expected
            + " (got "
            + version
            + " in "
            + place
            + "): classes and natives of Retort "
            + BUILT_WITH.getProperty("retort")
            + " need each other, pytorch "
            + BUILT_WITH.getProperty("pytorch")
            + " and javacpp "
            + BUILT_WITH.getProperty("javacpp"));
  }

  private static URL classFile(Class<?> type) {
    return type.getResource(type.getSimpleName() + ".class");
  }

  /** Returns the version in the Maven properties of the jar that contains a file, or null. */
  private static String version(URL place, String artifact) {
    String text = String.valueOf(place); // null where classes are not resources
    int end = text.lastIndexOf("!/");
    if (end < 0) {
      return null;
    }
    try {
      String file = text.substring(0, end) + "!/META-INF/maven/" + artifact + "/pom.properties";
      URLConnection connection = new URL(place, file).openConnection();
      connection.setUseCaches(false); // which would keep the jar open
      try (InputStream input = connection.getInputStream()) {
        Properties properties = new Properties();
        properties.load(input);
        return properties.getProperty("version");
      }
    } catch (IOException | IllegalArgumentException error) {
      return null; // as in a jar assembled from others
    }
  }

  private static Properties builtWith() {
    Properties properties = new Properties();
    try (InputStream input = NativeVersions.class.getResourceAsStream("versions.properties")) {
      properties.load(input);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return properties;
  }
}
