package org.retort;

import org.jspecify.annotations.Nullable;

/**
 * Thrown if another rank is gone, does not respond, has failed, or was started with other options;
 * see {@link org.retort.distributed.Ranks}.
 */
public final class RankException extends RetortException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates an exception.
   *
   * @param message one line saying what is wrong
   * @param cause what native code threw; may be null
   */
  public RankException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
