package org.retort.data;

import java.io.IOException;
import org.retort.FileException;

/**
 * What is read, and by whom, for the errors that name both.
 *
 * @param function the caller's name
 * @param name of the file or stream
 */
record Origin(String function, String name) {
  Origin {
    name = oneLine(name);
  }

  /** A text as messages have it; a file may be named by more than a line. */
  static String oneLine(String text) {
    return text.replaceAll("\\p{Cntrl}", "?");
  }

  /** The error for bytes that are not what they should be. */
  FileException damagedAt(long offset, String what, String rule, Object got) {
    return damaged(what + " at byte " + offset, rule, String.valueOf(got));
  }

  /** The error for content that is not what it should be. */
  FileException damaged(String what, String rule, String got) {
    return new FileException(
        function + ": " + what + " of " + name + " must " + rule + " (got " + got + ")", null);
  }

  /** The error for what the system does not let us read. */
  FileException unreadable(IOException cause) {
    return new FileException(
        function + ": " + name + " must be readable (got " + cause.getMessage() + ")", cause);
  }
}
