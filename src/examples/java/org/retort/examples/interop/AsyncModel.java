package org.retort.examples.interop;

import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.retort.models.Prediction;
import org.retort.models.Predictor;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/** A student that predicts and learns for callers who do not wait for it. */
public final class AsyncModel implements AutoCloseable {
  private final TrainingStep step;
  private final StepResult result;
  private final Predictor predictor;
  private final ExecutorService predictions;
  private final ExecutorService learning = pool(1, 16); // one thread trains

  /**
   * Starts the threads.
   *
   * @param step trains the student; stays the caller's
   * @param threads how many predict, at most as many as there are cores
   */
  public AsyncModel(TrainingStep step, int threads) {
    this.step = step;
    result = step.newResult();
    predictor = Predictor.of(step.student());
    predictions = pool(threads, 1024);
    step.publish();
  }

  /** Threads of the platform, and a bounded queue: what is too much is refused at once. */
  private static ExecutorService pool(int threads, int queue) {
    return new ThreadPoolExecutor(
        threads, threads, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(queue));
  }

  /**
   * Predicts an image.
   *
   * @param image its values
   * @return the three most probable classes
   * @throws java.util.concurrent.RejectedExecutionException if there is too much to do
   */
  public CompletableFuture<List<Prediction>> predict(float[] image) {
    return CompletableFuture.supplyAsync(() -> predictor.top(3, image), predictions);
  }

  /**
   * Learns a batch and publishes the student.
   *
   * @param batch must not change until it is learned
   * @return the loss; fails if the step does
   * @throws java.util.concurrent.RejectedExecutionException if there is too much to do
   */
  public CompletableFuture<Double> learn(StepInput batch) {
    return CompletableFuture.supplyAsync(
        () -> {
          step.run(batch, result);
          step.publish();
          return result.total();
        },
        learning);
  }

  /** Refuses what comes from now on, and waits until all that was accepted is done. */
  @Override
  public void close() {
    predictions.shutdown();
    learning.shutdown();
    try {
      predictions.awaitTermination(1, TimeUnit.MINUTES);
      learning.awaitTermination(1, TimeUnit.MINUTES);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    predictor.close();
  }
}
