package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.retort.testing.Bits;

/** More virtual threads than there are threads to carry them, which a native call holds. */
@EnabledForJreRange(min = JRE.JAVA_21)
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class VirtualThreadsTest {
  private static final int THREADS = 1000;
  private static final int STEPS = 50;

  @Test
  void predict_aThousandVirtualThreadsWhileOneTrains_disturbNothing() throws Exception {
    ExecutorService threads = virtualThreads();
    try (SmallStep small = new SmallStep();
        SmallStep alone = new SmallStep()) {
      small.student.publish();
      ByteBuffer expected = predicted(small);
      List<Future<ByteBuffer>> predictions = new ArrayList<>();
      Future<?> training = threads.submit(() -> small.runSteps(STEPS));
      for (int i = 0; i < THREADS; i++) {
        predictions.add(threads.submit(() -> predicted(small)));
      }
      for (Future<ByteBuffer> prediction : predictions) {
        assertThat(prediction.get()).isEqualTo(expected);
      }
      training.get();
      Map<String, ByteBuffer> straight = alone.stateAfter(STEPS);
      assertThat(small.state()).isEqualTo(straight);
    } finally {
      threads.shutdown();
    }
  }

  private static ByteBuffer predicted(SmallStep small) {
    try (Tensor logits = small.student.predict(small.images)) {
      return Bits.of(logits);
    }
  }

  /** Java 17, for which this is compiled, has no such method. */
  private static ExecutorService virtualThreads() throws ReflectiveOperationException {
    return (ExecutorService)
        Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
  }
}
