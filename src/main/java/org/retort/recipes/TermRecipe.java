package org.retort.recipes;

/**
 * A distillation loss of a stage.
 *
 * @param name its name in options and plots, by default the loss's name; terms may share a name,
 *     and then share the option for their weight
 * @param weight the weight, at least 0
 * @param loss the loss
 * @param taps what it compares
 * @param schedule the factor that the weight is multiplied by
 * @param teacher the teacher that it learns from
 * @param place its name in messages
 */
record TermRecipe(
    String name,
    double weight,
    LossRecipe loss,
    TapsRecipe taps,
    ScheduleRecipe schedule,
    TeacherChoice teacher,
    String place) {
  /** Reads a term of a stage of some epochs, called {@code stage} in messages. */
  static TermRecipe read(Fields fields, String stage, int epochs) {
    String name = fields.has("name") ? fields.name("name") : fields.text("loss");
    TermRecipe term =
        new TermRecipe(
            name,
            fields.notNegative("weight", 1),
            LossRecipes.read(fields),
            TapsRecipe.read(fields),
            ScheduleRecipe.read(fields, epochs),
            TeacherChoice.read(fields),
            fields.place() + stage + ", term " + name);
    fields.finish();
    return term;
  }

  /** Returns a copy with a different weight. */
  TermRecipe withWeight(double other) {
    return new TermRecipe(name, other, loss, taps, schedule, teacher, place);
  }
}
