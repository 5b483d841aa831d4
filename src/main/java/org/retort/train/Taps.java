package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import org.retort.internal.Arguments;

/**
 * The features that a loss compares, identified by the names that the networks give them ({@link
 * org.retort.models.Network#taps()}).
 *
 * @param student the student's taps
 * @param teacher the teacher's taps, in the same order
 */
public record Taps(List<String> student, List<String> teacher) {
  /**
   * Pairs the student's taps with the teacher's.
   *
   * @param student the student's taps
   * @param teacher the teacher's taps, in the same order
   * @throws IllegalArgumentException if a list or a name is null or the lists differ in length
   */
  public Taps {
    student = copy(student, "student");
    teacher = copy(teacher, "teacher");
    check(
        student.size() == teacher.size(),
        "Taps: student and teacher must have the same number of taps (got %s and %s)",
        student.size(),
        teacher.size());
  }

  /**
   * Pairs taps that have the same names in both networks.
   *
   * @param taps the names
   * @return the pairs
   * @throws IllegalArgumentException if the array or a name is null
   */
  public static Taps of(String... taps) {
    Arguments.notNull(taps, "Taps.of", "taps");
    for (String tap : taps) {
      Arguments.notNull(tap, "Taps.of", "tap");
    }
    return new Taps(List.of(taps), List.of(taps));
  }

  private static List<String> copy(List<String> taps, String argument) {
    Arguments.notNull(taps, "Taps", argument);
    for (String tap : taps) {
      Arguments.notNull(tap, "Taps", argument + " tap");
    }
    return List.copyOf(taps);
  }
}
