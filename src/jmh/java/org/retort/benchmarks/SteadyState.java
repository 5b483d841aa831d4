package org.retort.benchmarks;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import org.bytedeco.javacpp.Pointer;
import org.retort.train.StepResult;

/**
 * What steps leave behind after a warm-up.
 *
 * @param share the median of what a call takes beside the native step, in nanoseconds
 * @param step the median of the native step, in nanoseconds
 * @param heapBytes allocated by all steps together
 * @param pointers JavaCPP's, by how many more there are
 * @param residentBytes by which the process has grown
 */
record SteadyState(long share, long step, long heapBytes, long pointers, long residentBytes) {
  static SteadyState of(Runnable step, StepResult result, int steps) {
    long[] shares = new long[steps];
    long[] natives = new long[steps];
    measure(step, result, shares, natives);
    long heap = heapOfThisThread();
    long pointers = Pointer.totalCount();
    long resident = Pointer.physicalBytes();
    measure(step, result, shares, natives);
    return new SteadyState(
        median(shares),
        median(natives),
        heapOfThisThread() - heap,
        Pointer.totalCount() - pointers,
        Pointer.physicalBytes() - resident);
  }

  private static void measure(Runnable step, StepResult result, long[] shares, long[] natives) {
    for (int i = 0; i < shares.length; i++) {
      long start = System.nanoTime();
      step.run();
      long all = System.nanoTime() - start;
      natives[i] = result.nanoseconds();
      shares[i] = all - natives[i];
    }
  }

  private static long heapOfThisThread() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    return threads.getThreadAllocatedBytes(Thread.currentThread().getId());
  }

  private static long median(long[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }
}
