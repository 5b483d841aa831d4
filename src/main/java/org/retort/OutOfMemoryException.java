package org.retort;

import org.jspecify.annotations.Nullable;

/** Thrown if a call runs out of memory, on any device. A smaller batch may help. */
public final class OutOfMemoryException extends RetortException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates an exception.
   *
   * @param message one line saying what is wrong
   * @param cause what native code threw; may be null
   */
  public OutOfMemoryException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
