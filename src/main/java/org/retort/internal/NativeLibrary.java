package org.retort.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.global.torch;
import org.retort.bindings.global.environment;
import org.retort.bindings.global.retort;

/**
 * Loads LibTorch and Retort's native library, once. Problems that prevent loading are reported
 * before they can crash the process, and with the same message every time.
 */
public final class NativeLibrary {
  private static final String PLATFORM = "linux-x86_64";
  private static final String EXTENSION = "org.bytedeco.javacpp.platform.extension";
  private static final String GPU = "-gpu";
  private static final String OPENBLAS_THREADS = "org.retort.openblas.threads";
  private static final String OPENMP_SPINS = "org.retort.openmp.spins";
  private static final int DEFAULT_SPINS = 10_000;

  /** Each of these variables, if set, determines how long OpenMP's idle threads spin. */
  private static final List<String> SPIN_VARIABLES = List.of("GOMP_SPINCOUNT", "OMP_WAIT_POLICY");

  /** The system loader's message about a file on a file system that is mounted noexec. */
  private static final String NOT_EXECUTABLE = "failed to map segment from shared object";

  /** A class whose initialiser throws can't be used again, so it must not. */
  private static final UnsatisfiedLinkError FAILURE = tryToLoad();

  private NativeLibrary() {}

  /**
   * Ensures that the native library is loaded.
   *
   * @throws UnsatisfiedLinkError if it can't be
   */
  public static void load() {
    if (FAILURE != null) {
      // A new error, so that the stack trace is the caller's.
      throw error(FAILURE.getMessage(), FAILURE);
    }
  }

  /**
   * Loads the native library, if possible.
   *
   * @return why it can't be loaded, or null if it is
   */
  public static Throwable failure() {
    return FAILURE;
  }

  private static UnsatisfiedLinkError tryToLoad() {
    try {
      checkPlatform();
      int openblasThreads = number(OPENBLAS_THREADS, 1, 4096);
      int openmpSpins = number(OPENMP_SPINS, DEFAULT_SPINS, 1_000_000_000);
      NativeVersions.checkJars();
      LibraryFiles.replaceOutdated(environment.class, "jnienvironment");
      LibraryFiles.replaceOutdated(retort.class, "retort@.0.1", "jniretort");
      ForeignLibraries.check();
      limitSpinning(openmpSpins);
      Loader.load(torch.class);
      checkLibTorch();
      Loader.load(retort.class);
      NativeVersions.checkNatives(retort.version());
      retort.set_openblas_threads(openblasThreads);
      return null;
    } catch (Obstacle obstacle) {
      return error("Retort: " + obstacle.getMessage(), null);
    } catch (Throwable error) { // whatever it is, the user must see it
      return error("Retort: " + explain(error), error);
    }
  }

  private static void checkPlatform() {
    String platform = Loader.getPlatform();
    if (!platform.equals(PLATFORM)) {
      throw new Obstacle("platform must be " + PLATFORM + " (got " + platform + ")");
    }
  }

  private static int number(String property, int otherwise, int largest) {
    String value = System.getProperty(property, Integer.toString(otherwise));
    if (!value.matches("\\d{1,10}") || Long.parseLong(value) > largest) {
      throw new Obstacle(
          property + " must be a number between 0 and " + largest + " (got " + value + ")");
    }
    return Integer.parseInt(value);
  }

  /** Limits spinning; OpenMP reads the setting once, when LibTorch loads it. */
  private static void limitSpinning(int spins) {
    if (spins > 0 && SPIN_VARIABLES.stream().allMatch(name -> System.getenv(name) == null)) {
      environment.set_variable_unless_set(SPIN_VARIABLES.get(0), Integer.toString(spins));
    }
  }

  private static void checkLibTorch() {
    try (BytePointer configuration = torch.show_config()) {
      NativeVersions.checkLibTorch(configuration.getString());
    }
  }

  private static String explain(Throwable error) {
    List<Throwable> causes = causes(error);
    for (Throwable cause : causes) {
      if (cause instanceof IllegalCallerException) {
        return "native access must be enabled (got "
            + firstLine(cause)
            + "): start the JVM with --enable-native-access="
            + modules();
      }
      if (cause instanceof UnsatisfiedLinkError && firstLine(cause).contains(NOT_EXECUTABLE)) {
        return "folder of natives must not be mounted noexec (got "
            + firstLine(cause)
            + "): "
            + LibraryFiles.MOVE_CACHE;
      }
    }
    return LibraryFiles.whyNotUnpacked()
        .orElseGet(
            () ->
                "class path must have the "
                    + PLATFORM
                    + " artifacts of retort, pytorch 2.10, openblas and javacpp"
                    + (GPU.equals(System.getProperty(EXTENSION))
                        ? ", of the first two those with " + GPU + ", and CUDA's libraries be found"
                        : "")
                    + " (got "
                    + firstLine(causes.get(causes.size() - 1))
                    + ")");
  }

  /** Returns the error, its cause, the cause's cause and so on. */
  private static List<Throwable> causes(Throwable error) {
    List<Throwable> causes = new ArrayList<>();
    for (Throwable cause = error;
        cause != null && !causes.contains(cause);
        cause = cause.getCause()) {
      causes.add(cause);
    }
    return causes;
  }

  /**
   * Returns the modules that have native methods or load libraries, as named in the JVM's option.
   */
  private static String modules() {
    return Stream.of(Loader.class, openblas.class, torch.class, NativeLibrary.class)
        .map(Class::getModule)
        .map(module -> module.isNamed() ? module.getName() : "ALL-UNNAMED")
        .collect(Collectors.toCollection(TreeSet::new))
        .stream()
        .collect(Collectors.joining(","));
  }

  private static UnsatisfiedLinkError error(String message, Throwable cause) {
    UnsatisfiedLinkError error = new UnsatisfiedLinkError(message);
    error.initCause(cause);
    return error;
  }

  private static String firstLine(Throwable error) {
    String message = error.getMessage() == null ? error.toString() : error.getMessage();
    return message.lines().findFirst().orElse("");
  }

  /** A known obstacle to loading. */
  static final class Obstacle extends RuntimeException {
    private static final long serialVersionUID = 1;

    Obstacle(String message) {
      super(message);
    }
  }
}
