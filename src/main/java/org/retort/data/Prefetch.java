package org.retort.data;

import org.jspecify.annotations.Nullable;

/**
 * A thread that fills a ring of batches ahead of who takes them.
 *
 * <p>One slot of the ring is with the taker. The thread fills the slots behind those that are
 * ready; it alone writes to slots, so that what it reads for an epoch that was left meanwhile is
 * simply not counted. Waiting is that of monitors, which makes no garbage.
 */
final class Prefetch {
  private final BatchReader reader;
  private final Batch[] ring;
  private final Thread thread = new Thread(this::run, "retort-batches");

  // Guarded by this.
  private int taken; // the slot that is with the taker
  private int ready; // how many slots after it are filled
  private int epoch;
  private int step; // the next to be read
  private long start; // counts calls of start()
  private @Nullable Throwable failure; // of reading `step`
  private boolean started;
  private boolean closed;

  // What the thread is at.
  private long reading; // of which call of start()
  private boolean isNew;
  private int readEpoch;
  private int readStep;
  private @Nullable Batch target;

  /** Will read {@code ahead} batches ahead, at least one. */
  Prefetch(BatchReader reader, int ahead) {
    this.reader = reader;
    ring = new Batch[ahead + 1];
    for (int i = 0; i < ring.length; i++) {
      ring[i] = reader.newBatch();
    }
    thread.setDaemon(true);
  }

  /** Goes to a step of an epoch; what was read is discarded. */
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

  /** Gives the next batch, and takes back the one before; null if this was closed. */
  synchronized @Nullable Batch next() {
    boolean interrupted = false;
    while (!closed && ready == 0 && failure == null) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true; // who trains heeds it after the step
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

  /** Waits until there is a batch to be read, and room for it; returns whether there is. */
  private synchronized boolean awaitWork() {
    while (!closed
        && (failure != null || ready == ring.length - 1 || step == reader.stepsPerEpoch())) {
      try {
        wait();
      } catch (InterruptedException e) {
        // Nobody else knows this thread but the data set, which has no reason to.
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
