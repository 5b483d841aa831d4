package org.retort.recipes;

import org.retort.data.Batches;
import org.retort.models.Network;

/** The data of an experiment, normalised, and cut into batches. */
interface ExperimentData {
  /** Returns what is known of the data without them. */
  DataShape shape();

  /** Returns the class of each training sample. */
  long[] labels();

  /** Returns the number of test samples. */
  int testSize();

  /** Returns who made the data. */
  String credit();

  /** Returns batches of all samples with their labels. */
  Batches all(int batch, long seed);

  /**
   * Returns a student's batches, without the samples that have no label unless it has a teacher.
   */
  Batches of(StudentRecipe student, boolean hasTeacher, long seed);

  /** Returns the fraction of the test samples that a network gets right. */
  double accuracy(Network network);
}
