package org.retort;

import org.jspecify.annotations.Nullable;

/** There was not as much memory as a call needed, on whatever device. A smaller batch may do. */
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
