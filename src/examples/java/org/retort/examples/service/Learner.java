package org.retort.examples.service;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.retort.data.Batch;
import org.retort.data.Digits;
import org.retort.train.StepResult;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The queue of what is to be learned, and the one thread that learns it. */
final class Learner implements AutoCloseable {
  /**
   * What has been learned since the start.
   *
   * @param samples what was taken from the queue
   * @param steps training steps, those before the start among them
   * @param loss of the last step, null before the first
   * @param labeled samples that had a label
   * @param correct those of them whose class the student knew before it learned it
   * @param failures steps or checkpoints that failed, and batches passed over
   */
  record Progress(
      long samples, long steps, Double loss, long labeled, long correct, long failures) {}

  private static final Logger LOG = LoggerFactory.getLogger(Learner.class);

  /**
   * How long a batch that is not full waits for more, and how long {@link #close} for an idle
   * thread.
   */
  private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final OnlineModel model;
  private final Settings settings;
  private final BlockingQueue<Sample> queue;
  private final FloatBuffer images;
  private final LongBuffer labels;
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(work -> new Thread(work, "learner"));
  private volatile Progress progress;
  private volatile Throwable end;
  private volatile boolean closed;

  private Learner(OnlineModel model, Settings settings) {
    this.model = model;
    this.settings = settings;
    queue = new ArrayBlockingQueue<>(settings.queueCapacity());
    Batch batch = Batch.allocate(settings.batchSize(), Digits.CHANNELS, Digits.SIDE, Digits.SIDE);
    images = batch.images();
    labels = batch.labels();
    progress = new Progress(0, model.steps(), null, 0, 0, 0);
  }

  /** Starts to learn what will be offered. */
  static Learner start(OnlineModel model, Settings settings) {
    Learner learner = new Learner(model, settings);
    learner.thread.execute(learner::work);
    return learner;
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

  /** Ends the running step and the thread, and writes a checkpoint. What still waits is dropped. */
  @Override
  public void close() {
    closed = true;
    Pools.close(thread);
    model.save();
  }

  /** Nobody waits for the thread: if it ended in silence, the service would seem to be well. */
  private void work() {
    try {
      learnUntilClosed();
    } catch (Throwable e) {
      end = e;
      LOG.error("nothing is learned any more", e);
    }
  }

  private void learnUntilClosed() {
    StepResult result = model.newResult();
    while (!closed) {
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
    long end = System.nanoTime() + PATIENCE_NANOS;
    while (labels.hasRemaining()) {
      Sample sample = queue.poll(end - System.nanoTime(), TimeUnit.NANOSECONDS);
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
    model.learn(images, labels, result);
    if (result.skipped()) {
      countFailure();
      return;
    }
    long steps = model.steps();
    if (steps % settings.saveEvery() == 0) {
      model.save();
    } else if (steps % settings.publishEvery() == 0) {
      model.publish();
    }
    progress =
        new Progress(
            progress.samples() + labels.limit(),
            steps,
            result.total(),
            progress.labeled() + result.labeled(),
            progress.correct() + result.correct(),
            progress.failures());
  }

  private void countFailure() {
    progress =
        new Progress(
            progress.samples() + labels.limit(),
            model.steps(),
            progress.loss(),
            progress.labeled(),
            progress.correct(),
            progress.failures() + 1);
  }
}
