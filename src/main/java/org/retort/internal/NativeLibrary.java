package org.retort.internal;

import org.bytedeco.javacpp.Loader;
import org.retort.bindings.global.retort;

/** Loads LibTorch and Retort's native library. */
public final class NativeLibrary {
  private static final String PLATFORM = "linux-x86_64";

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
                  + " artifacts of retort, pytorch 2.10, openblas and javacpp (got "
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
