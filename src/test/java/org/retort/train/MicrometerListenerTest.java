package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.util.OptionalDouble;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.losses.KdLoss;

final class MicrometerListenerTest {
  private static final Tag MODEL = Tag.of("model", "ranking");

  @AutoClose private final MeterRegistry registry = new SimpleMeterRegistry();
  private final MicrometerListener listener = new MicrometerListener(registry, MODEL);

  @TempDir private Path folder;

  private double gauge(String name, String... tags) {
    return registry.get(name).tags("model", "ranking").tags(tags).gauge().value();
  }

  private double count(String name) {
    return registry.get(name).tags("model", "ranking").counter().count();
  }

  @Test
  void meters_beforeTheTraining_haveNoValue() {
    assertThat(registry.getMeters())
        .extracting(meter -> meter.getId().getName())
        .containsExactlyInAnyOrder(
            "retort.step",
            "retort.samples",
            "retort.skipped",
            "retort.loss",
            "retort.loss.cross.entropy",
            "retort.gradient.norm",
            "retort.learning.rate",
            "retort.epoch",
            "retort.epoch.loss",
            "retort.epoch.accuracy",
            "retort.score",
            "retort.checkpoints");
    assertThat(registry.getMeters())
        .allMatch(meter -> meter.getId().getTags().contains(MODEL))
        .allMatch(meter -> !meter.getId().getDescription().isBlank());
    assertThat(gauge("retort.loss")).isNaN();
    assertThat(count("retort.samples")).isZero();
  }

  @Test
  void onStep_publishesItsNumbers() {
    long nanoseconds = 0;
    try (SmallStep small = new SmallStep()) {
      for (int i = 1; i <= 3; i++) {
        small.run();
        listener.onStep(i, small.result);
        nanoseconds += small.result.nanoseconds();
      }
      assertThat(gauge("retort.loss")).isEqualTo(small.result.total());
      assertThat(gauge("retort.loss.cross.entropy")).isEqualTo(small.result.crossEntropy());
      assertThat(gauge("retort.loss.term", "term", "0")).isEqualTo(small.result.term(0));
      assertThat(gauge("retort.gradient.norm")).isEqualTo(small.result.gradientNorm());
      assertThat(gauge("retort.learning.rate")).isEqualTo(small.result.learningRate());
    }
    assertThat(count("retort.samples")).isEqualTo(3.0 * SmallStep.BATCH);
    assertThat(count("retort.skipped")).isZero();
    assertThat(registry.get("retort.step").timer().count()).isEqualTo(3);
    assertThat(registry.get("retort.step").timer().totalTime(TimeUnit.NANOSECONDS))
        .isEqualTo((double) nanoseconds);
  }

  @Test
  void onStep_stageWithFewerTerms_leavesNoOldTerm() {
    try (LinearStep linear =
        new LinearStep(
            folder,
            builder ->
                builder.stages(
                    Stage.of(Sgd.of(0.1)).withCrossEntropy(0).add(1, KdLoss.of(4)).withSteps(1),
                    Stage.of(Sgd.of(1))))) {
      linear.run();
      listener.onStep(1, linear.result);
      assertThat(gauge("retort.loss.term", "term", "0")).isEqualTo(linear.result.term(0));
      linear.run();
      listener.onStep(2, linear.result);
      assertThat(gauge("retort.loss.term", "term", "0")).isNaN();
      assertThat(gauge("retort.loss.cross.entropy")).isEqualTo(linear.result.crossEntropy());
    }
  }

  @Test
  void onStep_skipped_isCountedAndLeavesTheGauges() {
    try (LinearStep linear = new LinearStep(folder, builder -> builder.skipNonFinite())) {
      linear.run();
      listener.onStep(1, linear.result);
      double loss = linear.result.total();
      linear.images.put(0, Float.NaN);
      linear.run();
      listener.onStep(2, linear.result);
      assertThat(linear.result.skipped()).isTrue();
      assertThat(gauge("retort.loss")).isEqualTo(loss);
    }
    assertThat(count("retort.skipped")).isEqualTo(1);
    assertThat(count("retort.samples")).isEqualTo(2.0 * LinearStep.BATCH);
  }

  @Test
  void onEpoch_publishesItsNumbers() {
    listener.onEpoch(epoch(OptionalDouble.of(0.5), OptionalDouble.of(0.75)));
    assertThat(gauge("retort.epoch.loss")).isEqualTo(1.5);
    assertThat(gauge("retort.epoch.accuracy")).isEqualTo(0.5);
    assertThat(gauge("retort.score")).isEqualTo(0.75);
    listener.onEpoch(epoch(OptionalDouble.empty(), OptionalDouble.empty()));
    assertThat(gauge("retort.epoch.accuracy")).isNaN();
    assertThat(gauge("retort.score")).isEqualTo(0.75);
    assertThat(registry.get("retort.epoch").timer().count()).isEqualTo(2);
    assertThat(registry.get("retort.epoch").timer().totalTime(TimeUnit.SECONDS)).isEqualTo(5);
  }

  private static EpochSummary epoch(OptionalDouble accuracy, OptionalDouble score) {
    return new EpochSummary(0, 3, 0, 1.5, accuracy, score, false, 0.1, 2.5);
  }

  @Test
  void trainer_withIt_isPublished() {
    try (DigitTraining training = new DigitTraining(2)) {
      training
          .trainer(2)
          .evaluate(training::accuracy)
          .keep(folder)
          .listener(listener)
          .build()
          .run();
      assertThat(gauge("retort.score")).isEqualTo(training.accuracy());
    }
    assertThat(registry.get("retort.step").timer().count()).isEqualTo(6);
    assertThat(registry.get("retort.epoch").timer().count()).isEqualTo(2);
    assertThat(count("retort.samples")).isEqualTo(6.0 * DigitTraining.BATCH);
    assertThat(count("retort.checkpoints")).isEqualTo(4); // before and after each evaluation
    assertThat(gauge("retort.loss.term", "term", "1")).isFinite();
  }

  @Test
  void constructor_nulls_areRejected() {
    assertIllegal(
        () -> new MicrometerListener(null),
        "MicrometerListener: registry must be given (got null)");
    assertIllegal(
        () -> new MicrometerListener(registry, MODEL, null),
        "MicrometerListener: tags[1] must be given (got null)");
  }
}
