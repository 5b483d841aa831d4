package org.retort.internal;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.retort.FileException;
import org.retort.NonFiniteException;
import org.retort.OutOfMemoryException;
import org.retort.RankException;
import org.retort.RetortException;
import org.retort.ShapeException;

/** Translates what JavaCPP's generated code throws. */
public final class Errors {
  /** What LibTorch's CPU allocator says in the middle of several lines. */
  private static final Pattern NO_MEMORY =
      Pattern.compile("DefaultCPUAllocator: .*you tried to allocate (\\d+) bytes");

  private Errors() {}

  /**
   * Makes a {@link RetortException} of an exception that came out of native code; others are
   * returned as they are.
   *
   * @param error what a generated method threw
   * @return what to throw instead
   */
  public static RuntimeException translate(RuntimeException error) {
    // Generated code throws exactly this class for C++ exceptions.
    if (error.getClass() != RuntimeException.class) {
      return error;
    }
    String text = String.valueOf(error.getMessage());
    Matcher noMemory = NO_MEMORY.matcher(text);
    if (noMemory.find()) {
      return new OutOfMemoryException(
          "out of memory: could not allocate " + noMemory.group(1) + " bytes", error);
    }
    String line = text.lines().findFirst().orElse("unknown error");
    // retort_errors.h puts the kind of some errors in front of their message.
    String[] parts = line.split(": ", 2);
    String message = parts[parts.length - 1];
    return switch (parts[0]) {
      case "ShapeError" -> new ShapeException(message, error);
      case "OutOfMemoryError" -> new OutOfMemoryException(message, error);
      case "NonFiniteError" -> new NonFiniteException(message, error);
      case "RankError" -> new RankException(message, error);
      case "FileError" -> new FileException(message, error);
      default -> new RetortException(line, error);
    };
  }
}
