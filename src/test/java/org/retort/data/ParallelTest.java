package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class ParallelTest {
  private static final int COUNT = 100;

  private final Set<Integer> begun = ConcurrentHashMap.newKeySet();

  @Test
  void run_indices_areEachDoneOnce() {
    Parallel.run(3, COUNT, () -> index -> assertThat(begun.add(index)).isTrue());
    assertThat(begun).hasSize(COUNT).contains(0, COUNT - 1);
  }

  @Test
  void run_indexThatFails_isTheLast() {
    AtomicReference<Thread> failing = new AtomicReference<>();
    CountDownLatch both = new CountDownLatch(2);
    IntConsumer worker =
        index -> {
          begun.add(index);
          both.countDown();
          if (index == 0) {
            failing.set(Thread.currentThread());
            await(both);
            throw new IllegalStateException("no");
          }
          await(both);
          while (failing.get().isAlive()) {
            Thread.onSpinWait();
          }
        };
    assertThatThrownBy(() -> Parallel.run(2, COUNT, () -> worker))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("no");
    assertThat(begun).containsExactlyInAnyOrder(0, 1);
  }

  @Test
  void run_interruptedThread_keepsItsFlag() {
    Thread.currentThread().interrupt();
    Parallel.run(2, 2, () -> index -> LockSupport.parkNanos(20_000_000));
    assertThat(Thread.interrupted()).isTrue();
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
