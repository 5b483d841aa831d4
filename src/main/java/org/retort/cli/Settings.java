package org.retort.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.retort.recipes.Method;
import org.retort.recipes.Recipe;

/**
 * The settings of a run of the command.
 *
 * @param recipe the experiment, with the changes made by options
 * @param methods the methods to run, in the recipe's order
 * @param seeds the number of seeds, which are 0, 1, …
 * @param data the folder of the data, unless they ship with Retort
 * @param output the folder for the results
 * @param threads the number of LibTorch threads
 * @param jobs the number of students trained at the same time, each by its own process, which share
 *     the threads
 * @param resume whether to resume from what the output folder holds
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
