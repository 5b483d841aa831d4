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
 */
record TermRecipe(
    String name, double weight, LossRecipe loss, TapsRecipe taps, ScheduleRecipe schedule) {
  /** Reads a term of a stage of some epochs. */
  static TermRecipe read(Fields fields, int epochs) {
    TermRecipe term =
        new TermRecipe(
            fields.has("name") ? fields.name("name") : fields.text("loss"),
            fields.notNegative("weight", 1),
            LossRecipes.read(fields),
            TapsRecipe.read(fields),
            ScheduleRecipe.read(fields, epochs));
    fields.finish();
    return term;
  }

  /** Returns a copy of another weight. */
  TermRecipe withWeight(double other) {
    return new TermRecipe(name, other, loss, taps, schedule);
  }
}
