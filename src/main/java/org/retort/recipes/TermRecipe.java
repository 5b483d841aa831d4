package org.retort.recipes;

/**
 * A distillation loss of a stage.
 *
 * @param name what options and plots call it, the loss's name unless it is given; several terms may
 *     share one, and then their weight's option
 * @param weight at least 0
 * @param loss the loss
 * @param taps what it compares
 * @param schedule what the weight is multiplied by
 * @param teacher whom it learns from
 * @param place what messages call it
 */
record TermRecipe(
    String name,
    double weight,
    LossRecipe loss,
    TapsRecipe taps,
    ScheduleRecipe schedule,
    TeacherChoice teacher,
    String place) {
  /** Reads a term of a stage, which messages call {@code stage}, of some epochs. */
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

  /** Returns a copy of another weight. */
  TermRecipe withWeight(double other) {
    return new TermRecipe(name, other, loss, taps, schedule, teacher, place);
  }
}
