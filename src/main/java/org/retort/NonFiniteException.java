package org.retort;

import org.jspecify.annotations.Nullable;

/** Thrown if a loss, a gradient or a value to be remembered is infinite or not a number. */
public final class NonFiniteException extends RetortException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates an exception.
   *
   * @param message one line saying what is wrong
   * @param cause what native code threw; may be null
   */
  public NonFiniteException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
