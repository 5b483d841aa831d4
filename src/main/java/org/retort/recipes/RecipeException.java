package org.retort.recipes;

/**
 * Thrown when a recipe is invalid: {@code <file>:<line>: <key> must <rule> (got <value>)}, where
 * the line is omitted if the error is not about one.
 */
public final class RecipeException extends IllegalArgumentException {
  private static final long serialVersionUID = 1;

  RecipeException(String message) {
    super(message);
  }

  RecipeException(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * Returns the error with the part of the recipe that it is about in place of the function that
   * found it.
   */
  static RecipeException at(String place, RuntimeException wrong) {
    return new RecipeException(place + ": " + rule(wrong), wrong);
  }

  /** Returns a message without the function that it came from. */
  static String rule(RuntimeException wrong) {
    return wrong.getMessage().replaceFirst("^[\\w.]+: ", "");
  }
}
