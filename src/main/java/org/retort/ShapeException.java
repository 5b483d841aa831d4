package org.retort;

import org.jspecify.annotations.Nullable;

/** Thrown if a tensor is missing, or its shape, dtype, layout or device does not match. */
public final class ShapeException extends RetortException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates an exception.
   *
   * @param message one line saying what is wrong
   * @param cause what native code threw; may be null
   */
  public ShapeException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
