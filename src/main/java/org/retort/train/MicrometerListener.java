package org.retort.train;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.retort.internal.Arguments;

/**
 * Publishes the metrics of a training run as Micrometer meters. Requires {@code
 * io.micrometer:micrometer-core} on the class path, which is not a dependency of Retort.
 *
 * <table>
 * <caption>Meters, each with the tags given to the constructor</caption>
 * <tr><th>name</th><th>meter</th><th>meaning</th></tr>
 * <tr><td>{@code retort.step}</td><td>timer</td><td>each step's native time</td></tr>
 * <tr><td>{@code retort.samples}</td><td>counter</td><td>samples of all steps</td></tr>
 * <tr><td>{@code retort.skipped}</td><td>counter</td><td>batches skipped because a value was
 * not finite</td></tr>
 * <tr><td>{@code retort.loss}</td><td>gauge</td><td>{@link StepResult#total} of the last
 * step</td></tr>
 * <tr><td>{@code retort.loss.cross.entropy}</td><td>gauge</td><td>its {@link
 * StepResult#crossEntropy}</td></tr>
 * <tr><td>{@code retort.loss.term}</td><td>gauge</td><td>its {@link StepResult#term}; the tag
 * {@code term} is the index. NaN in stages with fewer terms</td></tr>
 * <tr><td>{@code retort.gradient.norm}</td><td>gauge</td><td>its {@link
 * StepResult#gradientNorm}</td></tr>
 * <tr><td>{@code retort.learning.rate}</td><td>gauge</td><td>its {@link
 * StepResult#learningRate}</td></tr>
 * <tr><td>{@code retort.epoch}</td><td>timer</td><td>each epoch's time, without the
 * evaluation</td></tr>
 * <tr><td>{@code retort.epoch.loss}</td><td>gauge</td><td>{@link EpochSummary#loss} of the last
 * epoch</td></tr>
 * <tr><td>{@code retort.epoch.accuracy}</td><td>gauge</td><td>its {@link
 * EpochSummary#accuracy}</td></tr>
 * <tr><td>{@code retort.score}</td><td>gauge</td><td>score of the last evaluation</td></tr>
 * <tr><td>{@code retort.checkpoints}</td><td>counter</td><td>checkpoints written</td></tr>
 * </table>
 *
 * <p>A gauge is NaN until it has a value, and keeps the last one after training. A skipped batch
 * leaves the gauges unchanged. One listener serves any number of training runs, one after another;
 * a registry has one gauge per name and tags, so a second listener needs its own tags. Meters may
 * be read from any thread.
 */
public final class MicrometerListener implements TrainingListener {
  private final MeterRegistry registry;
  private final Tags tags;
  private final Timer steps;
  private final Counter samples;
  private final Counter skipped;
  private final Value loss;
  private final Value crossEntropy;
  private final List<Value> terms = new ArrayList<>();
  private final Value gradientNorm;
  private final Value learningRate;
  private final Timer epochs;
  private final Value epochLoss;
  private final Value epochAccuracy;
  private final Value score;
  private final Counter checkpoints;

  /** The value of a gauge. */
  private static final class Value {
    private volatile double now = Double.NaN;
  }

  /**
   * Registers the meters; those of the terms follow once a step has them.
   *
   * @param registry where to register them
   * @param tags the tags of all meters, for example {@code Tag.of("model", "ranking")}
   * @throws IllegalArgumentException if one of them is null
   */
  public MicrometerListener(MeterRegistry registry, Tag... tags) {
    this.registry = Arguments.notNull(registry, "MicrometerListener", "registry");
    this.tags = Tags.of(Arguments.list(tags, "MicrometerListener", "tags"));
    steps = timer("step", "Duration of a training step");
    samples = counter("samples", "Samples of all training steps");
    skipped = counter("skipped", "Batches skipped because something was not finite");
    loss = gauge("loss", "Weighted sum of all parts of the loss in the last step", this.tags);
    crossEntropy =
        gauge("loss.cross.entropy", "Cross-entropy of the last step, before its weight", this.tags);
    gradientNorm = gauge("gradient.norm", "Norm of all gradients of the last step", this.tags);
    learningRate = gauge("learning.rate", "Learning rate of the last step", this.tags);
    epochs = timer("epoch", "Duration of an epoch, without the evaluation");
    epochLoss = gauge("epoch.loss", "Mean loss of the last epoch", this.tags);
    epochAccuracy = gauge("epoch.accuracy", "Training accuracy of the last epoch", this.tags);
    score = gauge("score", "Score of the last evaluation", this.tags);
    checkpoints = counter("checkpoints", "Checkpoints written");
  }

  private Timer timer(String name, String description) {
    return Timer.builder("retort." + name).description(description).tags(tags).register(registry);
  }

  private Counter counter(String name, String description) {
    return Counter.builder("retort." + name).description(description).tags(tags).register(registry);
  }

  private Value gauge(String name, String description, Tags gaugeTags) {
    Value value = new Value();
    Gauge.builder("retort." + name, value, shown -> shown.now)
        .description(description)
        .tags(gaugeTags)
        .strongReference(true)
        .register(registry);
    return value;
  }

  @Override
  public void onStep(long step, StepResult result) {
    Arguments.notNull(result, "MicrometerListener.onStep", "result");
    steps.record(result.nanoseconds(), TimeUnit.NANOSECONDS);
    samples.increment(result.samples());
    if (result.skipped()) {
      skipped.increment();
      return;
    }
    loss.now = result.total();
    crossEntropy.now = result.crossEntropy();
    gradientNorm.now = result.gradientNorm();
    learningRate.now = result.learningRate();
    while (terms.size() < result.terms()) {
      terms.add(
          gauge(
              "loss.term",
              "Term of the loss in the last step, before its weight",
              tags.and("term", Integer.toString(terms.size()))));
    }
    for (int i = 0; i < terms.size(); i++) {
      terms.get(i).now = i < result.terms() ? result.term(i) : Double.NaN;
    }
  }

  @Override
  public void onEpoch(EpochSummary epoch) {
    Arguments.notNull(epoch, "MicrometerListener.onEpoch", "epoch");
    epochs.record((long) (epoch.seconds() * 1e9), TimeUnit.NANOSECONDS);
    epochLoss.now = epoch.loss();
    epochAccuracy.now = epoch.accuracy().orElse(Double.NaN);
    epoch.score().ifPresent(found -> score.now = found);
  }

  @Override
  public void onCheckpoint(Path file) {
    Arguments.notNull(file, "MicrometerListener.onCheckpoint", "file");
    checkpoints.increment();
  }
}
