package org.retort.recipes;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A way to train the student: one line of the table of results.
 *
 * @param name its name in options, files and results
 * @param title its name in the table and the plots
 * @param stages the stages that the student goes through, one after the other
 */
public record Method(String name, String title, List<StageRecipe> stages) {
  /** Reads a method of a student that is trained for some epochs. */
  static Method read(String name, Fields fields, int epochs) {
    List<StageRecipe> stages = new ArrayList<>();
    for (Fields stage : fields.mappings("stages")) {
      String place = "method " + name + ", stage " + (stages.size() + 1);
      stages.add(StageRecipe.read(stage, place, epochs));
    }
    Method method = new Method(name, fields.text("title", name), List.copyOf(stages));
    fields.finish();
    return method;
  }

  /**
   * Returns whether any stage learns from the teacher.
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
