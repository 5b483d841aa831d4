package org.retort.internal;

import java.util.List;
import java.util.stream.Collectors;

/** Formats potentially long options compactly for logging. */
public final class Shown {
  /** The number of elements shown of a list that is too long. */
  private static final int FIRST = 3;

  private Shown() {}

  /**
   * Formats a list, or its first elements and its size.
   *
   * @param list any list
   * @param most the maximum size of a list that is shown in full
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
