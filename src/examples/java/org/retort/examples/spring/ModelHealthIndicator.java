package org.retort.examples.spring;

import org.retort.Retort;
import org.springframework.boot.actuate.health.Health;
import org.springframework.boot.actuate.health.HealthIndicator;
import org.springframework.stereotype.Component;

/** Whether the student can predict, which readiness asks for, too. */
@Component
final class ModelHealthIndicator implements HealthIndicator {
  private final Startup startup;

  ModelHealthIndicator(Startup startup) {
    this.startup = startup;
  }

  /** Asks {@link Startup}, not Retort, since a probe must not wait until the natives are loaded. */
  @Override
  public Health health() {
    if (startup.isDone()) {
      return Health.up()
          .withDetail("retort", Retort.version())
          .withDetail("threads", Retort.threads())
          .build();
    }
    return startup
        .obstacle()
        .map(Health::down)
        .orElseGet(() -> Health.outOfService().withDetail("reason", "the model is being loaded"))
        .build();
  }
}
