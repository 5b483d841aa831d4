package org.retort.data;

import org.jspecify.annotations.Nullable;

/**
 * A thread that fills a ring of batches ahead of its consumer.
 *
 * <p>One slot of the ring is held by the consumer. The thread fills the slots after those that are
 * ready; it alone writes to slots, so that what it reads for an epoch that has been left in the
 * meantime is simply not counted. Waiting uses monitors, which creates no garbage.
 */
final class Prefetch {
  private final BatchReader reader;
  private final Batch[] ring;
  private final Thread thread = new Thread(this::run, "retort-batches");

  // Guarded by this.
  private int taken; // the slot held by the consumer
  private int ready; // the number of filled slots after it
  private int epoch;
  private int step; // the next to read
  private long start; // counts calls of start()
  private @Nullable Throwable failure; // of reading `step`
  private boolean started;
  private boolean closed;

  // What the thread is working on.
  private long reading; // for which call of start()
  private boolean isNew;
  private int readEpoch;
  private int readStep;
  private @Nullable Batch target;

  /** Creates a thread that reads {@code ahead} batches ahead, at least one. */
  Prefetch(BatchReader reader, int ahead) {
    this.reader = reader;
    ring = new Batch[ahead + 1];
    for (int i = 0; i < ring.length; i++) {
      ring[i] = reader.newBatch();
    }
    thread.setDaemon(true);
  }

  /** Moves to a step of an epoch; batches already read are discarded. */
  synchronized void start(int newEpoch, int firstStep) {
    epoch = newEpoch;
    step = firstStep;
    ready = 0;
    failure = null;
    start++;
    if (!started && !closed) {
      started = true;
      thread.start();
    }
    notifyAll();
  }

  /** Returns the next batch, and takes back the previous one; null if this was closed. */
  synchronized @Nullable Batch next() {
    boolean interrupted = false;
    while (!closed && ready == 0 && failure == null) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true; // for the training loop to handle after the step
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (closed) {
      return null;
    }
    if (ready == 0) {
      throw rethrown(failure);
    }
    ready--;
    taken = slot(1);
    notifyAll();
    return ring[taken];
  }

  /** Ends the thread and waits until it has ended. */
  void close() {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
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

  private int slot(int afterTaken) {
    return (taken + afterTaken) % ring.length;
  }

  private void run() {
    while (awaitWork()) {
      try {
        if (isNew) {
          reader.start(readEpoch, readStep);
        }
        if (!reader.read(target)) {
          return; // closed
        }
        finish(null);
      } catch (RuntimeException | Error e) {
        finish(e);
      }
    }
  }

  /** Waits until there is a batch to read, and room for it; returns whether there is. */
  private synchronized boolean awaitWork() {
    while (!closed
        && (failure != null || ready == ring.length - 1 || step == reader.stepsPerEpoch())) {
      try {
        wait();
      } catch (InterruptedException e) {
        // Only the data set knows this thread, and it has no reason to interrupt it.
      }
    }
    isNew = reading != start;
    reading = start;
    readEpoch = epoch;
    readStep = step;
    target = ring[slot(ready + 1)];
    return !closed;
  }

  private synchronized void finish(@Nullable Throwable error) {
    if (reading == start) {
      if (error == null) {
        ready++;
        step++;
      } else {
        failure = error;
      }
      notifyAll();
    }
  }

  private static RuntimeException rethrown(Throwable failure) {
    if (failure instanceof Error error) {
      throw error;
    }
    return (RuntimeException) failure;
  }
}
