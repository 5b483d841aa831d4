package org.retort.internal;

/** The JDK's flight recorder, which a trimmed runtime may lack. */
public final class FlightRecorder {
  private static final boolean IS_AVAILABLE = ModuleLayer.boot().findModule("jdk.jfr").isPresent();

  private FlightRecorder() {}

  /**
   * Returns whether there are events; otherwise their classes can't be loaded.
   *
   * @return whether the runtime has the module jdk.jfr
   */
  public static boolean isAvailable() {
    return IS_AVAILABLE;
  }
}
