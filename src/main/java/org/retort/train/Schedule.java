package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongVector;
import org.retort.bindings.NativeSchedule;
import org.retort.internal.Arguments;

/**
 * A factor of a learning rate or of the weight of a loss, as a function of the step. A step is a
 * completed update of the parameters; steps count from the start of the stage. Immutable.
 */
public final class Schedule {
  private final Supplier<NativeSchedule> maker;

  /** What a warm-up must be shorter than. */
  private final long length;

  private Schedule(Supplier<NativeSchedule> maker, long length) {
    this.maker = maker;
    this.length = length;
  }

  /**
   * Always 1.
   *
   * @return the schedule
   */
  public static Schedule constant() {
    return new Schedule(NativeSchedule::constant, Long.MAX_VALUE);
  }

  /**
   * Decays by a factor every {@code period} steps, as {@code torch.optim.lr_scheduler.StepLR}:
   * {@code factor ^ ⌊step / period⌋}.
   *
   * @param period positive
   * @param factor positive and finite, for example 0.1
   * @return the schedule
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static Schedule step(long period, double factor) {
    Arguments.atLeast(period, 1, "Schedule.step", "period");
    Arguments.positive(factor, "Schedule.step", "factor");
    return new Schedule(() -> NativeSchedule.step(period, factor), Long.MAX_VALUE);
  }

  /**
   * Decays by a factor at each of the given steps, as {@code torch.optim.lr_scheduler.MultiStepLR}.
   *
   * @param factor positive and finite, for example 0.1
   * @param steps numbers of steps, positive and ascending
   * @return the schedule
   * @throws IllegalArgumentException if the factor or the steps are out of range
   */
  public static Schedule milestones(double factor, long... steps) {
    String function = "Schedule.milestones";
    Arguments.positive(factor, function, "factor");
    long[] places = Arguments.notNull(steps, function, "steps").clone();
    check(
        IntStream.range(0, places.length).allMatch(i -> places[i] >= (i == 0 ? 1 : places[i - 1])),
        "%s: steps must be positive and ascending (got %s)",
        function,
        Arrays.toString(places));
    return new Schedule(
        () -> NativeSchedule.at_milestones(new LongVector(places), factor), Long.MAX_VALUE);
  }

  /**
   * Falls from 1 to 0 along half a cosine, as {@link #cosine(long, double)}.
   *
   * @param steps its length, positive; a warm-up is part of it
   * @return the schedule
   * @throws IllegalArgumentException if the length is out of range
   */
  public static Schedule cosine(long steps) {
    return cosine(steps, 0);
  }

  /**
   * Falls from 1 to a final factor along half a cosine, as {@code
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
    Arguments.atLeast(steps, 1, "Schedule.cosine", "steps");
    Arguments.notNegative(finalFactor, "Schedule.cosine", "final factor");
    return new Schedule(() -> NativeSchedule.cosine(steps, finalFactor), steps);
  }

  /**
   * Adds a linear warm-up from 0, as {@link #warmUp(long, double)}.
   *
   * @param steps its length, at least 0; below that of a cosine
   * @return a changed copy
   * @throws IllegalArgumentException if the length is out of range
   */
  public Schedule warmUp(long steps) {
    return warmUp(steps, 0);
  }

  /**
   * Adds a linear warm-up, as {@code torch.optim.lr_scheduler.LinearLR} does: before step {@code
   * steps}, the schedule is multiplied by {@code from + (1 − from) · step / steps}.
   *
   * @param steps its length, at least 0; below that of a cosine
   * @param from where it begins, at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if an argument is out of range
   */
  public Schedule warmUp(long steps, double from) {
    Arguments.atLeast(steps, 0, "Schedule.warmUp", "steps");
    check(
        steps < length,
        "Schedule.warmUp: steps must be below those of the cosine, %s (got %s)",
        length,
        steps);
    Arguments.notNegative(from, "Schedule.warmUp", "from");
    return new Schedule(() -> maker.get().with_warmup(steps, from), length);
  }

  /** Hands over a native schedule, which must be copied at once. */
  @SuppressWarnings("try") // the scope works by being open
  void giveTo(Consumer<NativeSchedule> setter) {
    try (PointerScope scope = new PointerScope()) {
      setter.accept(maker.get());
    }
  }
}
