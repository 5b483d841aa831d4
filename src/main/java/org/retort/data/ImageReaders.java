package org.retort.data;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Threads that read the images of a batch from a data set, each taking the next one: the caller's
 * and helper threads. Waiting uses monitors, which creates no garbage.
 */
final class ImageReaders {
  private final Dataset dataset;
  private final int values;
  private final Thread[] helpers;

  // What is being read; does not change while an image is being read.
  private @Nullable Batch batch;
  private FloatBuffer @Nullable [] targets;
  private int first;

  // Guarded by this.
  private int next; // the place in the batch of the next image to read
  private int end;
  private int reading; // the number of images being read
  private @Nullable Throwable failure;
  private int failed; // its place: the first of those that failed
  private boolean started;
  private boolean closed;

  /** Creates readers with {@code threads} threads, including the caller's; at least one. */
  ImageReaders(Dataset dataset, int threads) {
    this.dataset = dataset;
    values = dataset.shape().values();
    helpers = new Thread[threads - 1];
    for (int i = 0; i < helpers.length; i++) {
      int view = i + 1;
      helpers[i] = new Thread(() -> help(view), "retort-images-" + view);
      helpers[i].setDaemon(true);
    }
  }

  /** Returns views of a buffer that images are read into, one per thread. */
  FloatBuffer[] views(FloatBuffer buffer) {
    FloatBuffer[] views = new FloatBuffer[helpers.length + 1];
    Arrays.setAll(views, i -> buffer.duplicate());
    return views;
  }

  /**
   * Reads the images whose indices are in a batch at the places from {@code begin} to {@code stop}.
   *
   * @param into {@link #views} of the destination, which begins with the image at place {@code
   *     offset}
   * @return whether they were read; if not, this was closed in the meantime
   * @throws RuntimeException what the data set threw; of several failed images, for the first in
   *     the batch
   */
  boolean read(Batch of, FloatBuffer[] into, int offset, int begin, int stop) {
    start(of, into, offset, begin, stop);
    readOn(0);
    awaitHelpers();
    return finish();
  }

  private synchronized void start(Batch of, FloatBuffer[] into, int offset, int begin, int stop) {
    batch = of;
    targets = into;
    first = offset;
    next = begin;
    end = stop;
    failure = null;
    if (closed) {
      return;
    }
    if (!started) {
      started = true;
      for (Thread helper : helpers) {
        helper.start();
      }
    }
    if (stop - begin > 1) {
      notifyAll();
    }
  }

  private void help(int view) {
    while (awaitWork()) {
      readOn(view);
    }
  }

  private synchronized boolean awaitWork() {
    while (!closed && next >= end) {
      try {
        wait();
      } catch (InterruptedException e) {
        // Only the data set knows this thread, and it has no reason to interrupt it.
      }
    }
    return !closed;
  }

  /** Reads images while there are any. */
  private void readOn(int view) {
    for (int place = take(); place >= 0; place = take()) {
      Throwable error = null;
      try {
        read(place, targets[view]);
      } catch (Throwable e) { // a helper that ended would be waited for
        error = e;
      }
      done(place, error);
    }
  }

  private synchronized int take() {
    if (closed || next >= end) {
      return -1;
    }
    reading++;
    return next++;
  }

  private void read(int place, FloatBuffer target) {
    int start = (place - first) * values;
    target.clear().position(start);
    dataset.read((int) batch.indices().get(place), target);
    int read = target.position() - start;
    if (read != values) {
      throw new IllegalStateException(
          "Dataset.read: image must have " + values + " values (got " + read + ")");
    }
  }

  private synchronized void done(int place, @Nullable Throwable error) {
    reading--;
    if (error != null) {
      // Earlier images of the batch were taken before it and are waited for.
      if (failure == null || place < failed) {
        failure = error;
        failed = place;
      }
      end = next;
    }
    if (reading == 0) {
      notifyAll();
    }
  }

  private synchronized void awaitHelpers() {
    boolean interrupted = false;
    while (reading > 0) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true; // for the training loop to handle after the step
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized boolean finish() {
    if (failure instanceof Error error) {
      throw error;
    }
    if (failure instanceof RuntimeException exception) {
      throw exception;
    }
    if (failure != null) {
      throw new IllegalStateException(
          "Dataset.read: exception must be unchecked (got " + failure + ")", failure);
    }
    return next == end;
  }

  /** Lets threads end once they have read their current images, and waits for the helpers. */
  void close() {
    boolean waits;
    synchronized (this) {
      closed = true;
      waits = started;
      notifyAll();
    }
    boolean interrupted = false;
    for (int i = 0; waits && i < helpers.length; ) {
      try {
        helpers[i].join();
        i++;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
