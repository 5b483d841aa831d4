package org.retort.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.retort.recipes.Method;
import org.retort.recipes.Recipe;

/**
 * What to run.
 *
 * @param recipe the experiment, with what options change of it
 * @param methods those of its methods to run, in its order
 * @param seeds number of seeds, which are 0, 1, …
 * @param data folder of the data, unless they ship with Retort
 * @param output folder of the results
 * @param threads for LibTorch
 * @param jobs students that are trained at the same time, each by a process, which share the
 *     threads
 * @param resume whether to go on with what the output folder holds
 */
record Settings(
    Recipe recipe,
    List<Method> methods,
    int seeds,
    Optional<Path> data,
    Path output,
    int threads,
    int jobs,
    boolean resume) {

  /** Returns the number of threads that train one student. */
  int threadsPerStudent() {
    return Math.max(1, threads / jobs);
  }

  /** Returns whether any method needs the teacher. */
  boolean needsTeacher() {
    return methods.stream().anyMatch(Method::hasTeacher);
  }

  /** Returns the method that others are compared with: the first without a teacher. */
  Optional<Method> baseline() {
    return methods.stream().filter(method -> !method.hasTeacher()).findFirst();
  }
}
