package org.retort.internal;

import java.util.List;
import java.util.stream.Collectors;

/** How options show what may be long, so that they can be logged. */
public final class Shown {
  /** How many elements are shown of a list that is too long. */
  private static final int FIRST = 3;

  private Shown() {}

  /**
   * Shows a list, or its first elements and how many there are.
   *
   * @param list of anything
   * @param most how many elements are shown in full
   * @return for example {@code [1, 2, 3, ... 2048 in all]}
   */
  public static String list(List<?> list, int most) {
    if (list.size() <= most) {
      return list.toString();
    }
    return list.stream()
        .limit(FIRST)
        .map(Object::toString)
        .collect(Collectors.joining(", ", "[", ", ... " + list.size() + " in all]"));
  }
}
