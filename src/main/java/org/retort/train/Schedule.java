package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.retort.internal.Arguments;

/**
 * A factor of a learning rate or of a loss weight, as a function of the step. A step is a completed
 * update of the parameters; steps are counted from the start of the stage.
 *
 * @param kind its shape
 * @param factor the factor of {@link Kind#STEP} and {@link Kind#MILESTONES}, positive and finite;
 *     otherwise 1
 * @param period steps between two changes of {@link Kind#STEP}, or the total length of {@link
 *     Kind#COSINE}, including the warm-up, positive; otherwise 0
 * @param milestones the milestones of {@link Kind#MILESTONES}, positive and ascending; otherwise
 *     empty
 * @param finalFactor the final factor of {@link Kind#COSINE}, at least 0 and finite; otherwise 0
 * @param warmup length of the linear warm-up, 0 for none; less than the period of {@link
 *     Kind#COSINE}
 * @param warmupFactor the factor at the start of the warm-up, at least 0 and finite
 */
public record Schedule(
    Kind kind,
    double factor,
    long period,
    List<Long> milestones,
    double finalFactor,
    long warmup,
    double warmupFactor) {
  /** The shape of a schedule. */
  public enum Kind {
    /** Always 1. */
    CONSTANT,
    /** {@link #step}. */
    STEP,
    /** {@link #milestones(double, long...)}. */
    MILESTONES,
    /** {@link #cosine(long, double)}. */
    COSINE
  }

  private static final String NAME = "Schedule";

  /**
   * Creates a schedule.
   *
   * @param kind its shape
   * @param factor positive and finite
   * @param period positive for steps and a cosine, otherwise 0
   * @param milestones positive and ascending
   * @param finalFactor at least 0 and finite
   * @param warmup at least 0; less than the period of a cosine
   * @param warmupFactor at least 0 and finite
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public Schedule {
    Arguments.notNull(kind, NAME, "kind");
    Arguments.positive(factor, NAME, "factor");
    boolean hasPeriod = kind == Kind.STEP || kind == Kind.COSINE;
    Arguments.atLeast(period, hasPeriod ? 1 : 0, NAME, "period");
    milestones = Arguments.list(milestones, NAME, "milestones");
    checkAscending(milestones);
    Arguments.notNegative(finalFactor, NAME, "final factor");
    Arguments.atLeast(warmup, 0, NAME, "warm-up");
    check(
        kind != Kind.COSINE || warmup < period,
        "%s: warm-up must be below the length of the cosine, %s (got %s)",
        NAME,
        period,
        warmup);
    Arguments.notNegative(warmupFactor, NAME, "warm-up factor");
  }

  private static void checkAscending(List<Long> milestones) {
    check(
        IntStream.range(0, milestones.size())
            .allMatch(i -> milestones.get(i) >= (i == 0 ? 1 : milestones.get(i - 1))),
        "%s: milestones must be positive and ascending (got %s)",
        NAME,
        milestones);
  }

  /**
   * Creates a schedule that is always 1.
   *
   * @return the schedule
   */
  public static Schedule constant() {
    return new Schedule(Kind.CONSTANT, 1, 0, List.of(), 0, 0, 0);
  }

  /**
   * Creates a schedule that decays by a factor every {@code period} steps, as {@code
   * torch.optim.lr_scheduler.StepLR} does: {@code factor ^ ⌊step / period⌋}.
   *
   * @param period positive
   * @param factor positive and finite, for example 0.1
   * @return the schedule
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static Schedule step(long period, double factor) {
    return new Schedule(Kind.STEP, factor, period, List.of(), 0, 0, 0);
  }

  /**
   * Creates a schedule that decays by a factor at each of the given steps, as {@code
   * torch.optim.lr_scheduler.MultiStepLR} does.
   *
   * @param factor positive and finite, for example 0.1
   * @param steps step numbers, positive and ascending
   * @return the schedule
   * @throws IllegalArgumentException if the factor or the steps are out of range
   */
  public static Schedule milestones(double factor, long... steps) {
    Arguments.notNull(steps, NAME, "milestones");
    List<Long> milestones = LongStream.of(steps).boxed().toList();
    return new Schedule(Kind.MILESTONES, factor, 0, milestones, 0, 0, 0);
  }

  /**
   * Creates a schedule that falls from 1 to 0 along half a cosine, like {@link #cosine(long,
   * double)}.
   *
   * @param steps its length, positive; a warm-up is part of it
   * @return the schedule
   * @throws IllegalArgumentException if the length is out of range
   */
  public static Schedule cosine(long steps) {
    return cosine(steps, 0);
  }

  /**
   * Creates a schedule that falls from 1 to a final factor along half a cosine, as {@code
   * torch.optim.lr_scheduler.CosineAnnealingLR} does, and stays there: {@code finalFactor + (1 −
   * finalFactor) · (1 + cos(π p)) / 2}, where p goes from 0 at the end of the warm-up to 1 at step
   * {@code steps}.
   *
   * @param steps its length, positive; a warm-up is part of it
   * @param finalFactor at least 0 and finite
   * @return the schedule
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static Schedule cosine(long steps, double finalFactor) {
    return new Schedule(Kind.COSINE, 1, steps, List.of(), finalFactor, 0, 0);
  }

  /**
   * Adds a linear warm-up from 0, like {@link #withWarmup(long, double)}.
   *
   * @param steps its length, at least 0; less than that of a cosine
   * @return a changed copy
   * @throws IllegalArgumentException if the length is out of range
   */
  public Schedule withWarmup(long steps) {
    return withWarmup(steps, 0);
  }

  /**
   * Adds a linear warm-up, as {@code torch.optim.lr_scheduler.LinearLR} does: before step {@code
   * steps}, the schedule is multiplied by {@code from + (1 − from) · step / steps}.
   *
   * @param steps its length, at least 0; less than that of a cosine
   * @param from where it starts, at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if an argument is out of range
   */
  public Schedule withWarmup(long steps, double from) {
    return new Schedule(kind, factor, period, milestones, finalFactor, steps, from);
  }
}
