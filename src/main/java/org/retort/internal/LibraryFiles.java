package org.retort.internal;

import java.io.File;
import java.io.IOException;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URL;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.bytedeco.javacpp.ClassProperties;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.bytedeco.pytorch.global.torch;
import org.retort.bindings.global.retort;

/** Where JavaCPP takes native libraries from, and where it unpacks them. */
final class LibraryFiles {
  private static final String JAVACPP = "org.bytedeco.javacpp.";

  /** The advice for users. */
  static final String MOVE_CACHE = "-D" + JAVACPP + "cachedir=<folder> moves it";

  private static final Pattern JAR = Pattern.compile(".*/([^/]+)!/.*");

  private LibraryFiles() {}

  /**
   * Finds a library the way JavaCPP does when loading it.
   *
   * @param owner the class that has the library in its properties
   * @param library the name in these properties, for example {@code c10} or {@code retort@.0.1}
   * @return its locations, in the order in which JavaCPP tries them; empty if that is left to
   *     {@link System#loadLibrary}
   */
  static List<URL> find(Class<?> owner, String library) {
    return isOn("findLibraries", true)
        ? List.of(Loader.findLibrary(owner, properties(owner), library, isOn("pathsFirst", false)))
        : List.of();
  }

  /**
   * Returns the files that JavaCPP would load for a library, unpacking them if needed.
   *
   * @param owner the class that has the library in its properties
   * @param library the name in these properties
   * @param fileName the library's file name, for folders searched by file name
   * @return the files, of which the first loadable one will be loaded
   * @throws IOException if one can't be unpacked
   */
  static List<Path> files(Class<?> owner, String library, String fileName) throws IOException {
    List<Path> files = new ArrayList<>();
    for (URL place : find(owner, library)) {
      if (place.getProtocol().equals("file") && place.getRef() == null) {
        files.add(Path.of(URI.create(place.toString())));
      } else if (isOn("cacheLibraries", true)) {
        files.add(Loader.cacheResource(place).toPath());
      }
    }
    // Then System.loadLibrary is asked, and what that does not find may be found by the name with
    // the version.
    String plainName = System.mapLibraryName(library.replaceFirst("@.*", ""));
    for (String name : List.of(plainName, fileName)) {
      for (String folder : libraryPath()) {
        Path file = Path.of(folder, name);
        if (files.isEmpty() && Files.exists(file)) {
          files.add(file);
        }
      }
    }
    return files;
  }

  /**
   * Unpacks libraries again if their unpacked files are from another build. JavaCPP only compares
   * sizes and times, which are the same for reproducible builds of one version.
   *
   * @param owner the class that has the libraries in its properties
   * @param libraries the names in these properties
   */
  static void replaceOutdated(Class<?> owner, String... libraries) {
    if (!isOn("cacheLibraries", true)) {
      return;
    }
    try {
      for (String library : libraries) {
        for (URL place : find(owner, library)) {
          if (place.openConnection() instanceof JarURLConnection connection) {
            Path file = Loader.cacheResource(place).toPath();
            if (checksum(file) != checksum(connection)) {
              Files.delete(file); // a process that has loaded it keeps it
              Loader.cacheResource(place);
            }
          }
        }
      }
    } catch (IOException | LinkageError | RuntimeException error) {
      // libraries that are missing or can't be unpacked fail when loaded, with a reason
    }
  }

  private static long checksum(JarURLConnection entry) throws IOException {
    entry.setUseCaches(false); // the jar is closed below
    try (JarFile jar = entry.getJarFile()) {
      return jar.getEntry(entry.getEntryName()).getCrc();
    }
  }

  private static long checksum(Path file) throws IOException {
    CRC32 checksum = new CRC32();
    try (FileChannel channel = FileChannel.open(file)) {
      checksum.update(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size()));
    }
    return checksum.getValue();
  }

  /**
   * Returns why libraries could not be unpacked, which JavaCPP does not report: it continues and
   * fails later, when one of them is missing.
   *
   * @return a message, or empty if all can be unpacked
   */
  static Optional<String> whyNotUnpacked() {
    if (!isOn("cacheLibraries", true)) {
      return Optional.empty();
    }
    String folder = "";
    try {
      folder = Loader.getCacheDir().toString();
      for (Map.Entry<Class<?>, List<String>> entry : libraries().entrySet()) {
        for (String library : entry.getValue()) {
          for (URL place : find(entry.getKey(), library)) {
            if (!place.getProtocol().equals("file")) {
              Loader.cacheResource(place);
            }
          }
        }
      }
      return Optional.empty();
    } catch (LinkageError | RuntimeException error) {
      return Optional.empty(); // artifacts are missing
    } catch (IOException error) {
      return Optional.of(
          "cache of natives must be writable and large enough (got "
              + error.getMessage()
              + " in "
              + (folder.isEmpty() ? String.join(", ", folders()) : folder)
              + "): "
              + MOVE_CACHE);
    }
  }

  /**
   * Returns the name of the jar that contains a file.
   *
   * @param place a file in a jar
   * @return its name without folders
   */
  static String jar(URL place) {
    Matcher matcher = JAR.matcher(place.toString());
    return matcher.matches() ? matcher.group(1) : place.toString();
  }

  private static Map<Class<?>, List<String>> libraries() {
    Map<Class<?>, List<String>> libraries = new LinkedHashMap<>();
    for (Class<?> owner :
        List.of(Loader.class, openblas_nolapack.class, openblas.class, torch.class, retort.class)) {
      ClassProperties properties = properties(owner);
      List<String> names = new ArrayList<>(properties.get("platform.preload"));
      names.addAll(properties.get("platform.link"));
      names.add(properties.getProperty("platform.library"));
      libraries.put(owner, names);
    }
    return libraries;
  }

  private static ClassProperties properties(Class<?> owner) {
    return Loader.loadProperties(owner, Loader.loadProperties(), true);
  }

  private static List<String> libraryPath() {
    return Stream.of("sun.boot.library.path", "java.library.path")
        .flatMap(property -> Stream.of(System.getProperty(property, "").split(File.pathSeparator)))
        .filter(folder -> !folder.isEmpty())
        .toList();
  }

  /** Returns the folders that JavaCPP tries. */
  private static List<String> folders() {
    List<String> folders = new ArrayList<>();
    for (String property : List.of(JAVACPP + "cachedir", JAVACPP + "cacheDir")) {
      if (System.getProperty(property) != null) {
        folders.add(System.getProperty(property));
      }
    }
    folders.add(System.getProperty("user.home") + "/.javacpp/cache");
    folders.add(
        System.getProperty("java.io.tmpdir")
            + "/.javacpp-"
            + System.getProperty("user.name")
            + "/cache");
    return folders;
  }

  /** Returns one of JavaCPP's settings, following its rules. */
  private static boolean isOn(String setting, boolean preset) {
    String lowerCase = System.getProperty(JAVACPP + setting.toLowerCase(Locale.ROOT), "" + preset);
    String value = System.getProperty(JAVACPP + setting, lowerCase).toLowerCase(Locale.ROOT);
    return List.of("true", "t", "").contains(value);
  }
}
