package org.retort.cli;

import java.util.List;
import java.util.stream.IntStream;

/** The names of classes in reports. */
final class ClassNames {
  private ClassNames() {}

  /**
   * Returns a name for each class.
   *
   * @param names the data's names; numbers are used if there are none
   * @param classes the number of classes
   */
  static List<String> of(List<String> names, int classes) {
    if (names.isEmpty()) {
      return IntStream.range(0, classes).mapToObj(String::valueOf).toList();
    }
    if (names.size() != classes) {
      throw new IllegalArgumentException(
          "ClassNames: names must be one for each of the %d classes (got %d)"
              .formatted(classes, names.size()));
    }
    return names;
  }
}
