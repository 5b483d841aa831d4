package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;
import org.retort.Retort;

final class TrainingStepMemoryTest {
  private static final int WARM_UP = 200;
  private static final int STEPS = 1000;

  /** What the process may grow by: for each step less than the student's first map. */
  private static final long SLACK_BYTES = STEPS * 16_000L;

  @Test
  void run_manySteps_takeNoMemory() {
    ThreadMXBean java = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int threads = Retort.threads();
    Retort.setThreads(1); // the network is too small for more
    try (SmallStep small = new SmallStep()) {
      small.runSteps(WARM_UP);
      long process = Pointer.physicalBytes();
      long pointers = Pointer.totalCount();
      long heap = java.getCurrentThreadAllocatedBytes();

      small.runSteps(STEPS);

      assertThat(java.getCurrentThreadAllocatedBytes() - heap).as("Java heap").isZero();
      assertThat(Pointer.totalCount()).as("pointers").isLessThanOrEqualTo(pointers);
      assertThat(Pointer.physicalBytes() - process).as("process").isLessThan(SLACK_BYTES);
    } finally {
      Retort.setThreads(threads);
    }
  }
}
