package org.retort.examples.spring;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.retort.data.Batch;
import org.retort.data.Digits;
import org.retort.train.StepResult;
import org.retort.train.TrainingListener;
import org.retort.train.TrainingStep;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.web.context.WebServerGracefulShutdownLifecycle;
import org.springframework.context.SmartLifecycle;
import org.springframework.stereotype.Component;

/**
 * The queue of what is to be learned, and the one thread that learns it. {@link Startup} starts it;
 * Spring stops it after the last request and before it closes what is native.
 */
@Component
final class Learner implements SmartLifecycle {
  /**
   * An image to learn from.
   *
   * @param image its values
   * @param label its class, or −1 if the teacher alone has to say
   */
  record Sample(float[] image, long label) {}

  /**
   * What has been learned since the start.
   *
   * @param samples what was taken from the queue
   * @param steps training steps, those before the start among them
   * @param loss of the last step, null before the first
   * @param failures steps or checkpoints that failed, and batches passed over
   */
  record Progress(long samples, long steps, Double loss, long failures) {}

  private static final Logger LOG = LoggerFactory.getLogger(Learner.class);

  /** How long a batch that is not full waits for more, and {@link #stop} for an idle thread. */
  private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final ObjectProvider<TrainingStep> steps;
  private final DigitsSettings settings;
  private final List<TrainingListener> listeners;
  private final BlockingQueue<Sample> queue;
  private final FloatBuffer images;
  private final LongBuffer labels;
  private TrainingStep step;
  private volatile Thread thread;
  private volatile boolean stopped;
  private volatile Progress progress = new Progress(0, 0, null, 0);
  private volatile Throwable end;

  Learner(
      ObjectProvider<TrainingStep> steps,
      DigitsSettings settings,
      List<TrainingListener> listeners,
      MeterRegistry registry) {
    this.steps = steps;
    this.settings = settings;
    this.listeners = listeners;
    queue = new ArrayBlockingQueue<>(settings.queue());
    Batch batch = Batch.allocate(settings.batch(), Digits.CHANNELS, Digits.SIDE, Digits.SIDE);
    images = batch.images();
    labels = batch.labels();
    Gauge.builder("digits.queued", queue, BlockingQueue::size)
        .description("Samples that wait to be learned")
        .register(registry);
  }

  /** Takes all samples or, if there is no room for them, none. */
  synchronized boolean offer(List<Sample> samples) {
    return queue.remainingCapacity() >= samples.size() && queue.addAll(samples);
  }

  /** Returns how many samples wait. */
  int queued() {
    return queue.size();
  }

  Progress progress() {
    return progress;
  }

  /**
   * Returns what has ended the thread, for example an {@link OutOfMemoryError}, if it has ended.
   */
  Optional<Throwable> end() {
    return Optional.ofNullable(end);
  }

  /** Not with the context: there is nothing to learn with yet. */
  @Override
  public boolean isAutoStartup() {
    return false;
  }

  @Override
  public void start() {
    step = steps.getObject();
    progress = new Progress(0, step.steps(), null, 0);
    stopped = false;
    end = null;
    thread = new Thread(this::work, "learner");
    thread.start();
  }

  /** Ends the running step and the thread, and writes a checkpoint. What still waits is dropped. */
  @Override
  public void stop() {
    stopped = true;
    joinThread();
    thread = null;
    step.save(settings.checkpoint());
    LOG.info("stopped after {} steps", step.steps());
  }

  private void joinThread() {
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Whether there is something to stop, though it be a thread that an error has ended. */
  @Override
  public boolean isRunning() {
    return thread != null;
  }

  /** Later phases stop first: the learner stops when the last request has been answered. */
  @Override
  public int getPhase() {
    return WebServerGracefulShutdownLifecycle.SMART_LIFECYCLE_PHASE - 1;
  }

  /** Nobody waits for the thread: if it ended in silence, the service would seem to be well. */
  private void work() {
    try {
      learnUntilStopped();
    } catch (Throwable e) {
      end = e;
      LOG.error("nothing is learned any more", e);
    }
  }

  private void learnUntilStopped() {
    StepResult result = step.newResult();
    while (!stopped) {
      try {
        if (fillBatch()) {
          learn(result);
        }
      } catch (RuntimeException e) { // a failed step has changed nothing
        LOG.error("a step failed", e);
        countFailure();
      } catch (InterruptedException e) {
        throw new IllegalStateException("nobody interrupts the learner", e);
      }
    }
  }

  private boolean fillBatch() throws InterruptedException {
    images.clear();
    labels.clear();
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (labels.hasRemaining()) {
      Sample sample = queue.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
      if (sample == null) {
        break;
      }
      images.put(sample.image());
      labels.put(sample.label());
    }
    images.flip();
    labels.flip();
    return labels.hasRemaining();
  }

  private void learn(StepResult result) {
    step.run(images, labels, null, result);
    long done = step.steps();
    listeners.forEach(listener -> listener.onStep(done, result));
    if (result.skipped()) {
      countFailure();
      return;
    }
    if (done % settings.publishEvery() == 0) {
      step.publish();
    }
    if (done % settings.saveEvery() == 0) {
      step.save(settings.checkpoint());
      listeners.forEach(listener -> listener.onCheckpoint(settings.checkpoint()));
    }
    progress =
        new Progress(
            progress.samples() + labels.limit(), done, result.total(), progress.failures());
  }

  private void countFailure() {
    progress =
        new Progress(
            progress.samples() + labels.limit(),
            step.steps(),
            progress.loss(),
            progress.failures() + 1);
  }
}
