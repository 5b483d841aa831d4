package org.retort.recipes;

import java.util.Arrays;
import java.util.function.DoubleFunction;
import java.util.stream.DoubleStream;
import org.retort.train.Schedule;

/**
 * A schedule whose positions are fractions of a stage, so that a stage can be shortened.
 *
 * <p>{@code name: constant | milestones | step | cosine}; milestones are {@code at: […]} with a
 * {@code factor}, steps come {@code every} with a {@code factor}, a cosine ends at {@code
 * final_factor}. All may have {@code warm_up} from {@code warm_up_from}. Positions are epochs or,
 * below 1, fractions of the epochs.
 */
interface ScheduleRecipe {
  /** Creates the schedule for a stage of the given number of steps. */
  Schedule schedule(long steps);

  /** Reads the key {@code schedule}, constant if absent, for a stage of some epochs. */
  static ScheduleRecipe read(Fields parent, int epochs) {
    if (!parent.has("schedule")) {
      return steps -> Schedule.constant();
    }
    Fields fields = parent.mapping("schedule");
    Kind kind = fields.choice("name", Kind.class, Kind.CONSTANT);
    ScheduleRecipe schedule =
        switch (kind) {
          case CONSTANT -> steps -> Schedule.constant();
          case MILESTONES -> milestones(fields, epochs);
          case STEP -> step(fields, epochs);
          case COSINE -> cosine(fields);
        };
    ScheduleRecipe warm = withWarmUp(schedule, fields, epochs);
    fields.finish();
    return warm;
  }

  /** The names of the schedules. */
  enum Kind {
    CONSTANT,
    MILESTONES,
    STEP,
    COSINE
  }

  private static ScheduleRecipe milestones(Fields fields, int epochs) {
    double[] at =
        DoubleStream.of(fields.numbers("at"))
            .map(place -> fraction(fields, "at", place, epochs))
            .toArray();
    for (int i = 1; i < at.length; i++) {
      if (at[i] <= at[i - 1]) {
        throw fields.wrong("at", "be ascending", Arrays.toString(fields.numbers("at")));
      }
    }
    DoubleFunction<Schedule> trial = factor -> Schedule.milestones(factor, 1);
    double factor = checkedFactor(fields, trial);
    return steps ->
        Schedule.milestones(
            factor, DoubleStream.of(at).mapToLong(place -> place(place, steps)).toArray());
  }

  private static ScheduleRecipe step(Fields fields, int epochs) {
    double every = fraction(fields, "every", fields.number("every"), epochs);
    double factor = checkedFactor(fields, value -> Schedule.step(1, value));
    return steps -> Schedule.step(place(every, steps), factor);
  }

  private static double checkedFactor(Fields fields, DoubleFunction<Schedule> trial) {
    fields.number("factor", (Double factor) -> trial.apply(factor));
    return fields.number("factor");
  }

  private static ScheduleRecipe cosine(Fields fields) {
    double last = fields.notNegative("final_factor", 0);
    return steps -> Schedule.cosine(steps, last);
  }

  private static ScheduleRecipe withWarmUp(ScheduleRecipe schedule, Fields fields, int epochs) {
    double from = fields.notNegative("warm_up_from", 0);
    if (!fields.has("warm_up")) {
      return schedule;
    }
    double length = fraction(fields, "warm_up", fields.number("warm_up"), epochs);
    // a very short stage would otherwise be all warm-up
    return steps ->
        schedule.schedule(steps).withWarmup(Math.min(place(length, steps), steps - 1), from);
  }

  private static double fraction(Fields fields, String key, double place, int epochs) {
    if (place <= 0 || place >= epochs) {
      throw fields.wrong(key, "be above 0 and below the " + epochs + " epochs", place);
    }
    return place < 1 ? place : place / epochs;
  }

  /** Rounds down, as whole epochs and percentages would, but never to 0. */
  private static long place(double fraction, long steps) {
    return Math.max(1, (long) Math.floor(fraction * steps + 1e-6));
  }
}
