package org.retort;

import org.jspecify.annotations.Nullable;

/**
 * A failure in native code. The message is one line in the form {@code <function>: <argument> must
 * <rule> (got <value>)} if Retort detected it, or LibTorch's own words. Failures that a program may
 * want to handle separately have their own subclasses; this class itself covers the rest.
 *
 * <p>A failed call changes nothing: networks and training steps are as before the call.
 */
public sealed class RetortException extends RuntimeException
    permits ShapeException, OutOfMemoryException, NonFiniteException, FileException, RankException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates an exception.
   *
   * @param message one line saying what is wrong
   * @param cause what native code threw; may be null
   */
  public RetortException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
