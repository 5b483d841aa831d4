package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The factors are those of torch.optim.lr_scheduler. */
final class ScheduleTest {
  @TempDir private Path folder;

  @Test
  void constant_isOne() {
    assertFactors(Schedule.constant(), 1, 1, 1);
  }

  @Test
  void step_everyPeriod_falls() {
    assertFactors(Schedule.step(2, 0.5), 1, 1, 0.5, 0.5, 0.25);
  }

  @Test
  void milestones_reached_fall() {
    assertFactors(Schedule.milestones(0.5, 2, 3, 3), 1, 1, 0.5, 0.125, 0.125);
  }

  @Test
  void cosine_fallsToItsFinalFactorAndStaysThere() {
    assertFactors(Schedule.cosine(4), 1, 0.8535534, 0.5, 0.1464466, 0, 0);
    assertFactors(Schedule.cosine(2, 0.1), 1, 0.55, 0.1, 0.1);
  }

  @Test
  void warmUp_risesBeforeTheSchedule() {
    assertFactors(Schedule.constant().withWarmup(4), 0, 0.25, 0.5, 0.75, 1, 1);
    assertFactors(Schedule.step(3, 0.5).withWarmup(2, 0.5), 0.5, 0.75, 1, 0.5);
    assertFactors(Schedule.cosine(4).withWarmup(2, 0.5), 0.5, 0.75, 1, 0.5, 0);
  }

  /** Expects the learning rates of a step with the schedule; its rate without one is 1. */
  private void assertFactors(Schedule schedule, double... factors) {
    try (LinearStep linear = LinearStep.with(folder, Sgd.of(1).withSchedule(schedule))) {
      for (double factor : factors) {
        assertThat(linear.step.learningRate()).isCloseTo(factor, within(1e-7));
        linear.run();
        assertThat(linear.result.learningRate()).isCloseTo(factor, within(1e-7));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void factor_notPositiveAndFinite_isRejected(double factor) {
    String rule = ": factor must be positive and finite (got " + factor + ")";
    assertIllegal(() -> Schedule.step(1, factor), "Schedule" + rule);
    assertIllegal(() -> Schedule.milestones(factor, 1), "Schedule" + rule);
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void end_negativeOrNotFinite_isRejected(double value) {
    String rule = " must be at least 0 and finite (got " + value + ")";
    assertIllegal(() -> Schedule.cosine(1, value), "Schedule: final factor" + rule);
    assertIllegal(
        () -> Schedule.constant().withWarmup(1, value), "Schedule: warm-up factor" + rule);
  }

  @Test
  void steps_outOfRange_areRejected() {
    assertIllegal(() -> Schedule.step(0, 0.1), "Schedule: period must be at least 1 (got 0)");
    assertIllegal(() -> Schedule.cosine(0), "Schedule: period must be at least 1 (got 0)");
    assertIllegal(
        () -> Schedule.constant().withWarmup(-1), "Schedule: warm-up must be at least 0 (got -1)");
    assertIllegal(
        () -> Schedule.cosine(5).withWarmup(5),
        "Schedule: warm-up must be below the length of the cosine, 5 (got 5)");
  }

  @Test
  void milestones_notPositiveAndAscending_areRejected() {
    assertIllegal(
        () -> Schedule.milestones(0.1, 0),
        "Schedule: milestones must be positive and ascending (got [0])");
    assertIllegal(
        () -> Schedule.milestones(0.1, 3, 2),
        "Schedule: milestones must be positive and ascending (got [3, 2])");
    assertIllegal(
        () -> Schedule.milestones(0.1, (long[]) null),
        "Schedule: milestones must be given (got null)");
  }
}
