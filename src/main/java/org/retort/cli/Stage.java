package org.retort.cli;

import java.util.List;

/**
 * One training of the student, with an optimizer of its own.
 *
 * @param crossEntropy weight of the cross-entropy
 * @param terms the rows whose losses it adds; without any, the student sees only the labelled part
 *     of each batch, and no teacher
 */
record Stage(double crossEntropy, List<Row> terms) {
  /** Returns a stage of cross-entropy alone. */
  static Stage withoutTeacher() {
    return new Stage(1, List.of());
  }

  /** Returns whether it learns from a teacher, and so from the images without labels, too. */
  boolean hasTeacher() {
    return !terms.isEmpty();
  }
}
