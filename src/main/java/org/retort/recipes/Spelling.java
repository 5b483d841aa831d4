package org.retort.recipes;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** Suggests what was meant by a misspelled word. */
public final class Spelling {
  private Spelling() {}

  /**
   * Describes a word that was found in place of one of several words, and which of them may have
   * been meant.
   *
   * @param word the word that was found
   * @param words the valid words
   * @return the end of a message
   */
  public static String got(String word, Collection<String> words) {
    return nearest(word, words).map(near -> word + ", did you mean " + near + "?").orElse(word);
  }

  /**
   * Returns the word with the smallest edit distance, if that is at most a third of the letters.
   */
  static Optional<String> nearest(String word, Collection<String> words) {
    return words.stream()
        .min(Comparator.comparingInt(other -> distance(word, other)))
        .filter(nearest -> 3 * distance(word, nearest) <= Math.max(word.length(), 3));
  }

  /** Returns the Levenshtein distance. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j < row.length; j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j < row.length; j++) {
        int changed = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(changed, Math.min(row[j], row[j - 1]) + 1);
      }
    }
    return row[b.length()];
  }
}
