package org.retort.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertRefused;
import static org.retort.testing.Failures.assertUnusable;

import java.util.concurrent.CountDownLatch;
import org.bytedeco.javacpp.LongPointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.retort.testing.Threads;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class NativeHandleTest {
  private static final String CLOSED = "Owner: object must be open (got a closed one)";

  private final LongPointer pointer = new LongPointer(1).put(7);
  private final NativeHandle<LongPointer> handle = new NativeHandle<>("Owner", pointer);

  @Test
  void ask_twoThreadsAtOnce_areInTogether() throws Exception {
    CountDownLatch both = new CountDownLatch(2);
    Threads.Task task =
        () ->
            handle.use(
                open -> {
                  both.countDown();
                  await(both);
                });

    Threads.runAll(task, task);

    handle.close();
    assertThat(pointer.isNull()).isTrue();
  }

  @Test
  void close_duringACall_waitsForItsEnd() throws Exception {
    handle.acquire();
    Thread closer = new Thread(handle::close);
    closer.start();
    while (closer.getState() != Thread.State.WAITING) {
      Thread.onSpinWait();
    }
    assertThat(pointer.get()).isEqualTo(7);
    assertUnusable(handle::acquire, CLOSED); // or calls without end would keep it open

    handle.release();
    closer.join();

    assertThat(pointer.isNull()).isTrue();
    assertUnusable(handle::acquire, CLOSED);
    handle.close();
  }

  @Test
  void ask_failure_isTranslatedAndLeavesTheHandleUsable() {
    assertRefused(
        () ->
            handle.use(
                open -> {
                  throw new RuntimeException("f: x must y (got z)\nbacktrace");
                }),
        "f: x must y (got z)");
    assertThat(handle.<Long>ask(LongPointer::get)).isEqualTo(7);
    handle.close();
    assertUnusable(() -> handle.ask(LongPointer::get), CLOSED);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException error) {
      throw new AssertionError(error);
    }
  }
}
