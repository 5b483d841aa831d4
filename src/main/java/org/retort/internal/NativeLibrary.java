package org.retort.internal;

import org.bytedeco.javacpp.Loader;
import org.retort.bindings.global.retort;

/** Loads LibTorch and Retort's native library. */
public final class NativeLibrary {
  private static final String PLATFORM = "linux-x86_64";
  private static final String EXTENSION = "org.bytedeco.javacpp.platform.extension";
  private static final String GPU = "-gpu";

  static {
    String platform = Loader.getPlatform();
    if (!platform.equals(PLATFORM)) {
      throw new UnsatisfiedLinkError(
          "Retort: platform must be " + PLATFORM + " (got " + platform + ")");
    }
    try {
      Loader.load(retort.class);
    } catch (LinkageError error) {
      UnsatisfiedLinkError explained =
          new UnsatisfiedLinkError(
              "Retort: class path must have the "
                  + PLATFORM
                  + " artifacts of retort, pytorch 2.10, openblas and javacpp"
                  + (GPU.equals(System.getProperty(EXTENSION))
                      ? ", of the first two those with " + GPU + ", and CUDA's libraries be found"
                      : "")
                  + " (got "
                  + firstLine(error)
                  + ")");
      explained.initCause(error);
      throw explained;
    }
  }

  private NativeLibrary() {}

  /** Makes sure that the native library is loaded. */
  public static void load() {
    // The static initialiser does it, once.
  }

  private static String firstLine(Throwable error) {
    return String.valueOf(error.getMessage()).lines().findFirst().orElse("");
  }
}
