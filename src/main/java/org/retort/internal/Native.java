package org.retort.internal;

import java.util.function.Supplier;

/** Calls generated functions: loads the library first, and translates errors. */
public final class Native {
  private Native() {}

  /**
   * Calls native code.
   *
   * @param call the call
   * @param <T> the result's type
   * @return the result
   */
  public static <T> T call(Supplier<T> call) {
    NativeLibrary.load();
    try {
      return call.get();
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  /**
   * Calls native code that has no result.
   *
   * @param call the call
   */
  public static void run(Runnable call) {
    call(
        () -> {
          call.run();
          return null;
        });
  }
}
