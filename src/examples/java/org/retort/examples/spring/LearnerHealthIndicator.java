package org.retort.examples.spring;

import org.springframework.boot.actuate.health.Health;
import org.springframework.boot.actuate.health.HealthIndicator;
import org.springframework.stereotype.Component;

/** Whether the student learns; it predicts even if not. */
@Component
final class LearnerHealthIndicator implements HealthIndicator {
  private final Learner learner;

  LearnerHealthIndicator(Learner learner) {
    this.learner = learner;
  }

  /** Unknown before the model is loaded, down once an error has ended the thread. */
  @Override
  public Health health() {
    Learner.Progress progress = learner.progress();
    Health.Builder health =
        learner
            .end()
            .map(Health::down)
            .orElseGet(() -> learner.isRunning() ? Health.up() : Health.unknown())
            .withDetail("steps", progress.steps())
            .withDetail("samples", progress.samples())
            .withDetail("failures", progress.failures())
            .withDetail("queued", learner.queued());
    if (progress.loss() != null) {
      health.withDetail("loss", progress.loss());
    }
    return health.build();
  }
}
