package org.retort.internal;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.retort.FileException;
import org.retort.NonFiniteException;
import org.retort.OutOfMemoryException;
import org.retort.RankException;
import org.retort.RetortException;
import org.retort.ShapeException;

/** Translates exceptions thrown by JavaCPP's generated code. */
public final class Errors {
  /** The message of LibTorch's CPU allocator, in the middle of several lines. */
  private static final Pattern NO_MEMORY =
      Pattern.compile("DefaultCPUAllocator: .*you tried to allocate (\\d+) bytes");

  private Errors() {}

  /**
   * Converts an exception from native code to a {@link RetortException}; returns others unchanged.
   *
   * @param error the exception that a generated method threw
   * @return the exception to throw instead
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
