package org.retort.train;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;
import org.jspecify.annotations.Nullable;

/** A flight recorder event for a training step. */
@Name("org.retort.Step")
@Label("Training Step")
@Description("Training step that succeeded or was skipped; with late results, the one before")
@Category("Retort")
@StackTrace(false)
final class StepEvent extends Event {
  private static final StepEvent ANY = new StepEvent();

  @Label("Samples")
  private long samples;

  @Label("Loss")
  @Description("Weighted sum of all terms and the cross-entropy")
  private double loss;

  @Label("Cross-Entropy")
  private double crossEntropy;

  @Label("Gradient Norm")
  private double gradientNorm;

  @Label("Native Time")
  @Timespan
  private long nativeTime;

  @Label("Updated")
  private boolean updated;

  @Label("Skipped")
  @Description("Whether something was not finite")
  private boolean skipped;

  private StepEvent() {}

  /** Begins an event; returns null if events of this type are not recorded. */
  static @Nullable StepEvent start() {
    if (!ANY.isEnabled()) {
      return null;
    }
    StepEvent event = new StepEvent();
    event.begin();
    return event;
  }

  /** Commits the event for a step with this result. */
  void commit(StepResult result) {
    end();
    samples = result.samples();
    loss = result.total();
    crossEntropy = result.crossEntropy();
    gradientNorm = result.gradientNorm();
    nativeTime = result.nanoseconds();
    updated = result.updated();
    skipped = result.skipped();
    commit();
  }
}
