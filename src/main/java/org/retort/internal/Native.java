package org.retort.internal;

import java.util.function.Supplier;

/** Calls of generated functions: the library is loaded before, and errors are translated. */
public final class Native {
  private Native() {}

  /**
   * Calls native code.
   *
   * @param call the call
   * @param <T> the answer's type
   * @return the answer
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
   * Calls native code that has no answer.
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
