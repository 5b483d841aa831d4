package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.Threads;

/** An interrupted thread completes its call and stays interrupted. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class InterruptTest {
  private static final int STEPS = 50;

  @AutoClose private final SmallStep small = new SmallStep();
  @AutoClose private final SmallStep alone = new SmallStep();
  @TempDir private Path folder;

  @AfterEach
  void clearInterrupt() {
    Thread.interrupted();
  }

  @Test
  void calls_ofAnInterruptedThread_complete() {
    Path file = folder.resolve("step");
    assertStaysInterrupted(small::run);
    assertStaysInterrupted(() -> small.step.save(file));
    assertStaysInterrupted(small::run);
    assertStaysInterrupted(() -> small.step.load(file));
    assertStaysInterrupted(() -> small.student.predict(small.images).close());
    assertStaysInterrupted(() -> small.step.state().values().forEach(Tensor::close));
    assertStaysInterrupted(() -> SmallStep.builder(small.student, small.teacher).build().close());
    assertThat(small.state()).isEqualTo(alone.stateAfter(1));
    assertStaysInterrupted(small.step::close);
  }

  private static void assertStaysInterrupted(Runnable call) {
    Thread.currentThread().interrupt();
    call.run();
    assertThat(Thread.interrupted()).isTrue();
  }

  @Test
  void run_threadsInterruptedWhileTheyRunAndWait_makeEveryStep() throws Exception {
    CountDownLatch running = new CountDownLatch(2);
    CountDownLatch done = new CountDownLatch(2);
    Thread[] threads = new Thread[2];
    Threads.runAll(
        () -> {
          threads[0] = Thread.currentThread();
          runInterrupted(running, done);
        },
        () -> {
          threads[1] = Thread.currentThread();
          runInterrupted(running, done);
        },
        () -> {
          running.await();
          while (!done.await(1, TimeUnit.MILLISECONDS)) {
            threads[0].interrupt();
            threads[1].interrupt();
          }
        });
    assertThat(small.state()).isEqualTo(alone.stateAfter(2 * STEPS));
  }

  private void runInterrupted(CountDownLatch running, CountDownLatch done) {
    running.countDown();
    StepResult result = small.step.newResult();
    int interrupted = 0;
    for (int i = 0; i < STEPS; i++) {
      small.step.run(small.images, small.labels, small.indices, result);
      interrupted += Thread.interrupted() ? 1 : 0;
    }
    done.countDown();
    assertThat(interrupted).isPositive();
  }

  @Test
  void close_interruptedWhileAStepRuns_waitsAndCloses() throws Exception {
    ConcurrencyTest.closeDuring(
        small::run, () -> assertStaysInterrupted(small.step::close), "TrainingStep");
  }
}
