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
}
