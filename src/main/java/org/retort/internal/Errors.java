package org.retort.internal;

import org.retort.RetortException;

/** Translates what JavaCPP's generated code throws. */
public final class Errors {
  private Errors() {}

  /**
   * Makes a {@link RetortException} of an exception that came out of native code; others are
   * returned as they are.
   *
   * @param error what a generated method threw
   * @return what to throw instead
   */
  public static RuntimeException translate(RuntimeException error) {
    // Generated code throws exactly this class for C++ exceptions.
    if (error.getClass() != RuntimeException.class) {
      return error;
    }
    String message = String.valueOf(error.getMessage());
    return new RetortException(message.lines().findFirst().orElse("unknown error"), error);
  }
}
