package org.retort.cli;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/**
 * What to run.
 *
 * @param rows the ways to train the student, in the order of the table
 * @param weights of the rows that have one
 * @param seeds number of seeds, which are 0, 1, …
 * @param epochs of a student
 * @param teacherEpochs of the teacher
 * @param labelsPerClass labelled images of each class
 * @param output folder of the results
 * @param threads for LibTorch
 */
record Settings(
    Set<Row> rows,
    Map<Row, Double> weights,
    int seeds,
    int epochs,
    int teacherEpochs,
    int labelsPerClass,
    Path output,
    int threads) {

  /** Returns whether any row needs the teacher. */
  boolean needsTeacher() {
    return rows.stream().anyMatch(Row::hasTeacher);
  }
}
