package org.retort.recipes;

import org.retort.train.Adam;
import org.retort.train.Optimizer;
import org.retort.train.Sgd;

/**
 * An optimizer with its options and schedule.
 *
 * <p>{@code name: sgd | adam}, {@code learning_rate}, {@code weight_decay}, {@code
 * decay_norms_and_biases: true | false}, {@code schedule}; SGD has {@code momentum} and {@code
 * nesterov: true | false}, Adam {@code beta1}, {@code beta2}, {@code epsilon} and {@code decoupled:
 * true | false}.
 */
interface OptimizerRecipe {
  /** Creates the optimizer for a stage of the given number of steps. */
  Optimizer optimizer(long steps);

  /** The names of the optimizers. */
  enum Kind {
    SGD,
    ADAM
  }

  /** Reads an optimizer for a stage of some epochs. */
  static OptimizerRecipe read(Fields fields, int epochs) {
    ScheduleRecipe schedule = ScheduleRecipe.read(fields, epochs);
    boolean decaysAll = fields.flag("decay_norms_and_biases", true);
    OptimizerRecipe recipe =
        switch (fields.choice("name", Kind.class, Kind.SGD)) {
          case SGD -> {
            Sgd sgd = sgd(fields);
            Sgd read = sgd.withDecayNormsAndBiases(decaysAll);
            yield steps -> read.withSchedule(schedule.schedule(steps));
          }
          case ADAM -> {
            Adam adam = adam(fields);
            Adam read = adam.withDecayNormsAndBiases(decaysAll);
            yield steps -> read.withSchedule(schedule.schedule(steps));
          }
        };
    fields.finish();
    return recipe;
  }

  private static Sgd sgd(Fields fields) {
    Sgd sgd = fields.number("learning_rate", Sgd::of);
    sgd = fields.number("momentum", sgd, Sgd::withMomentum);
    sgd = fields.number("weight_decay", sgd, Sgd::withWeightDecay);
    if (fields.flag("nesterov", false)
        && !(fields.has("momentum") && fields.number("momentum") > 0)) {
      throw fields.wrong("nesterov", "be used with a momentum", "none");
    }
    return sgd.withNesterov(fields.flag("nesterov", false));
  }

  private static Adam adam(Fields fields) {
    Adam adam = fields.number("learning_rate", Adam::of);
    if (fields.has("beta1") | fields.has("beta2")) {
      double first = fields.number("beta1");
      double second = fields.number("beta2");
      Adam base = adam;
      adam = fields.checked("beta1", () -> base.withBetas(first, second));
    }
    adam = fields.number("epsilon", adam, Adam::withEpsilon);
    adam = adam.withDecoupled(fields.flag("decoupled", false));
    return fields.number("weight_decay", adam, Adam::withWeightDecay);
  }
}
