package org.retort.recipes;

/**
 * A recipe is not as it must be: {@code <file>:<line>: <key> must <rule> (got <value>)}, where the
 * line is left out if it is not about one.
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
   * Tells what was found wrong, with the part of the recipe that it is about in place of the
   * function that found it.
   */
  static RecipeException at(String place, RuntimeException wrong) {
    return new RecipeException(place + ": " + rule(wrong), wrong);
  }

  /** Returns a message without the function that it is from. */
  static String rule(RuntimeException wrong) {
    return wrong.getMessage().replaceFirst("^[\\w.]+: ", "");
  }
}
