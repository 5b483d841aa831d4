package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.retort.Retort;
import org.retort.models.Predictor;
import org.retort.testing.Buffers;

@Tag("memory")
final class TrainingStepMemoryTest {
  private static final int WARM_UP = 100;
  private static final int STEPS = 400;

  /** What the process may grow by: for each step less than the student's first map. */
  private static final long SLACK_BYTES = STEPS * 16_000L;

  @AutoClose private final SmallStep small = new SmallStep();
  private final int threads = Retort.threads();

  @BeforeEach
  void useOneThread() {
    Retort.threads(1); // the network is too small for more
  }

  @AfterEach
  void useAllThreads() {
    Retort.threads(threads);
  }

  @Test
  void run_floatBuffers_takesNoMemory() {
    assertTakesNoMemory(small::run);
  }

  @Test
  void run_byteBuffers_takesNoMemory() {
    ByteBuffer images = ByteBuffer.allocateDirect(SmallStep.BATCH * SmallStep.IMAGE);
    StepInput input = StepInput.of(images, small.labels).withIndices(small.indices);
    assertTakesNoMemory(() -> small.step.run(input, small.result));
  }

  @Test
  void run_arrays_takesNoMemory() {
    float[] floats = new float[SmallStep.BATCH * SmallStep.IMAGE];
    byte[] bytes = new byte[floats.length];
    long[] rows = {0, 4, 2, 1};
    StepInput ofFloats = StepInput.of(floats, rows).withIndices(rows);
    StepInput ofBytes = StepInput.of(bytes, rows).withIndices(rows);
    assertTakesNoMemory(
        () -> {
          small.step.run(ofFloats, small.result);
          small.step.run(ofBytes, small.result);
        });
  }

  @Test
  void predictor_buffers_takesNoMemory() {
    FloatBuffer logits = Buffers.floats(SmallStep.BATCH * SmallStep.CLASSES);
    ByteBuffer bytes = ByteBuffer.allocateDirect(SmallStep.BATCH * SmallStep.IMAGE);
    try (Predictor predictor = Predictor.of(small.student)) {
      assertTakesNoMemory(
          () -> {
            predictor.logits(small.images, logits);
            predictor.probabilities(bytes, logits);
          });
    }
  }

  @Test
  void predict_buffers_takesNoMemory() {
    FloatBuffer logits = Buffers.floats(SmallStep.BATCH * SmallStep.CLASSES);
    small.step.publish();
    assertTakesNoMemory(() -> small.student.predict(small.images, logits));
  }

  @Test
  void publish_afterEachStep_takesNoMemory() {
    assertTakesNoMemory(
        () -> {
          small.run();
          small.step.publish();
        });
  }

  private static void assertTakesNoMemory(Runnable step) {
    ThreadMXBean java = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    repeat(WARM_UP, step);
    long process = Pointer.physicalBytes();
    long pointers = Pointer.totalCount();
    long heap = java.getCurrentThreadAllocatedBytes();

    repeat(STEPS, step);

    // Less than a byte a step: the virtual machine's own objects are counted, too.
    assertThat(java.getCurrentThreadAllocatedBytes() - heap).as("Java heap").isLessThan(STEPS);
    assertThat(Pointer.totalCount()).as("pointers").isLessThanOrEqualTo(pointers);
    assertThat(Pointer.physicalBytes() - process).as("process").isLessThan(SLACK_BYTES);
  }

  private static void repeat(int times, Runnable step) {
    for (int i = 0; i < times; i++) {
      step.run();
    }
  }
}
