package org.retort;

/** A checkpoint is damaged, not a checkpoint, of another configuration, or can't be written. */
public final class CheckpointException extends RetortException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates an exception.
   *
   * @param message one line saying what is wrong
   * @param cause what native code threw; may be null
   */
  public CheckpointException(String message, Throwable cause) {
    super(message, cause);
  }
}
