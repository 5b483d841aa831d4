package org.retort;

import org.jspecify.annotations.Nullable;

/**
 * Thrown if a file is missing, damaged, of another kind or of another configuration, or can't be
 * read or written.
 */
public final class FileException extends RetortException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates an exception.
   *
   * @param message one line saying what is wrong
   * @param cause what native code or the file system threw; may be null
   */
  public FileException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
