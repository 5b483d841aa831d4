package org.retort.benchmarks;

import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Another thread, which keeps the garbage collector busy. */
@State(Scope.Benchmark)
public class Garbage {
  private volatile boolean stopped;
  private volatile byte[] last;
  private Thread thread;

  /** Starts the thread. */
  @Setup
  public void start() {
    thread = new Thread(this::produce, "garbage");
    thread.start();
  }

  private void produce() {
    while (!stopped) {
      last = new byte[1024];
    }
  }

  /**
   * Ends the thread.
   *
   * @throws InterruptedException if that is interrupted
   */
  @TearDown
  public void stop() throws InterruptedException {
    stopped = true;
    thread.join();
  }
}
