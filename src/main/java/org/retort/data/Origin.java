package org.retort.data;

import java.io.IOException;
import org.retort.FileException;

/**
 * The source being read and the function that reads it, for errors that name both.
 *
 * @param function the caller's name
 * @param name of the file or stream
 */
record Origin(String function, String name) {
  Origin {
    name = oneLine(name);
  }

  /** Returns a text as shown in messages; a file's name may contain line breaks. */
  static String oneLine(String text) {
    return text.replaceAll("\\p{Cntrl}", "?");
  }

  /** Returns the error for bytes that are not as expected. */
  FileException damagedAt(long offset, String what, String rule, Object got) {
    return damaged(what + " at byte " + offset, rule, String.valueOf(got));
  }

  /** Returns the error for content that is not as expected. */
  FileException damaged(String what, String rule, String got) {
    return new FileException(
        function + ": " + what + " of " + name + " must " + rule + " (got " + got + ")", null);
  }

  /** Returns the error for a source that the system does not let us read. */
  FileException unreadable(IOException cause) {
    return new FileException(
        function + ": " + name + " must be readable (got " + cause.getMessage() + ")", cause);
  }
}
