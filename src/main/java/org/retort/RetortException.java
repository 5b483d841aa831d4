package org.retort;

import org.jspecify.annotations.Nullable;

/**
 * A failure in native code, with a message of one line in the form {@code <function>: <argument>
 * must <rule> (got <value>)} where Retort found it, or in LibTorch's own words. What a program
 * would handle in its own way has a class of its own; this one itself is for all the rest.
 *
 * <p>What was wrong has changed nothing: networks and training steps are as before the call.
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
