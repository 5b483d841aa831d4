package org.retort.data;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import java.util.function.Supplier;

/** Runs a task for each of many indices on several threads. */
final class Parallel {
  private final int count;
  private final AtomicInteger next = new AtomicInteger();
  private final AtomicReference<Throwable> failure = new AtomicReference<>();

  private Parallel(int count) {
    this.count = count;
  }

  /**
   * Calls the workers that {@code makeWorker} creates, one for each thread, for all indices from 0
   * to {@code count} − 1, in any order. Returns once all are done; throws the first exception that
   * they threw, after which no index is begun.
   */
  static void run(int threads, int count, Supplier<IntConsumer> makeWorker) {
    Parallel parallel = new Parallel(count);
    Thread[] workers = new Thread[Math.min(threads, count)];
    for (int i = 0; i < workers.length; i++) {
      IntConsumer worker = makeWorker.get();
      workers[i] = new Thread(() -> parallel.work(worker), "retort-images-" + i);
      workers[i].setDaemon(true);
      workers[i].start();
    }
    parallel.await(workers);
  }

  private void work(IntConsumer worker) {
    try {
      for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
        worker.accept(i);
      }
    } catch (RuntimeException | Error e) {
      failure.compareAndSet(null, e);
      next.set(count);
    }
  }

  private void await(Thread[] workers) {
    boolean interrupted = false;
    for (Thread worker : workers) {
      while (worker.isAlive()) {
        try {
          worker.join();
        } catch (InterruptedException e) {
          interrupted = true; // for the caller to heed once this is done
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (failure.get() instanceof Error error) {
      throw error;
    }
    if (failure.get() instanceof RuntimeException exception) {
      throw exception;
    }
  }
}
