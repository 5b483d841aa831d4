package org.retort.recipes;

import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A way to train the student: one line of the table of results.
 *
 * @param name what options, files and results call it
 * @param title what the table and the plots call it
 * @param stages the trainings that the student goes through, one after the other
 */
public record Method(String name, String title, List<StageRecipe> stages) {
  /** Reads a method of a student that is trained for some epochs. */
  static Method read(String name, Fields fields, int epochs) {
    Method method =
        new Method(
            name,
            fields.text("title", name),
            fields.mappings("stages").stream()
                .map(stage -> StageRecipe.read(stage, epochs))
                .toList());
    fields.finish();
    return method;
  }

  /**
   * Says whether any stage learns from the teacher.
   *
   * @return whether the method needs one
   */
  public boolean hasTeacher() {
    return stages.stream().anyMatch(StageRecipe::hasTeacher);
  }

  /** Returns a copy with changed stages. */
  Method with(UnaryOperator<StageRecipe> change) {
    return new Method(name, title, stages.stream().map(change).toList());
  }
}
