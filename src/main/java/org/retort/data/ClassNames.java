package org.retort.data;

import java.text.Normalizer;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The given class names, and the lookup of folders by name. */
final class ClassNames {
  private final List<String> names;
  private final Map<String, Integer> labels = new HashMap<>();

  ClassNames(List<String> names) {
    this.names = names;
    for (int i = 0; i < names.size(); i++) {
      labels.put(composed(names.get(i)), i);
    }
  }

  /** Returns a key that is the same for names that some file systems do not tell apart. */
  static String key(String name) {
    return composed(name).toLowerCase(Locale.ROOT);
  }

  /** Composes accents, which some file systems store as separate characters. */
  private static String composed(String name) {
    return Normalizer.normalize(name, Normalizer.Form.NFC);
  }

  /** Returns the class number of a folder, or null. */
  @Nullable Integer label(String folder) {
    return labels.get(composed(folder));
  }

  /** Returns the end of a message: the class that an unknown folder may have been meant to be. */
  String got(String folder) {
    return names.stream()
        .min(Comparator.comparingInt(name -> distance(key(folder), key(name))))
        .filter(name -> 3 * distance(key(folder), key(name)) <= Math.max(folder.length(), 3))
        .map(name -> ", did you mean " + name + "?")
        .orElse("");
  }

  /** Returns the Levenshtein distance. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int i = 0; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j < row.length; j++) {
        int above = row[j];
        int changed = diagonal + (i > 0 && a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        row[j] = i == 0 ? j : Math.min(changed, Math.min(above, row[j - 1]) + 1);
        diagonal = above;
      }
    }
    return row[b.length()];
  }
}
