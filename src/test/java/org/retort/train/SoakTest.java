package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.Retort;
import org.retort.models.Network;
import org.retort.testing.Bits;
import org.retort.testing.ChildJvm;
import org.retort.testing.Threads;

/** Short in every build; {@code mvn -Psoak} makes a minute and 10,000 steps of it. */
@Tag("soak")
final class SoakTest {
  private static final long SECONDS = Long.getLong("retort.soak.seconds", 2);
  private static final int STEPS = Integer.getInteger("retort.soak.steps", 500);

  /** What the process may grow by: for each step less than the student's first map. */
  private static final long SLACK_BYTES = 8_000_000 + STEPS * 1_000L;

  private static final long HEAP_SLACK_BYTES = 4_000_000;

  private final int threads = Retort.threads();
  @TempDir private Path folder;

  @BeforeEach
  void useOneThread() {
    Retort.threads(1); // the networks are too small for more
  }

  @AfterEach
  void useAllThreads() {
    Retort.threads(threads);
  }

  @Test
  void eightThreads_trainAndPredict_alwaysGetTheSameBits() throws Exception {
    EightThreads.run(SECONDS);
  }

  @ParameterizedTest
  @ValueSource(strings = {"-XX:+UseSerialGC", "-XX:+UseG1GC"})
  void eightThreads_smallHeapAlwaysCollected_getTheSameBits(String collector) throws Exception {
    runWithSmallHeap(collector);
  }

  @Test
  @Tag("memory") // ZGC takes addresses that belong to the sanitizers
  void eightThreads_smallHeapCollectedByZgc_getTheSameBits() throws Exception {
    runWithSmallHeap("-XX:+UseZGC");
  }

  private void runWithSmallHeap(String collector) throws Exception {
    List<String> options =
        List.of("-Xmx64m", collector, "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0");
    try (ChildJvm child =
        ChildJvm.start(folder, options, EightThreads.class, Long.toString(SECONDS))) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output()).contains("done");
    }
  }

  @Test
  @Tag("memory")
  void steps_many_takeNoMemory() {
    try (SmallStep small = new SmallStep()) {
      small.runSteps(STEPS / 5);
      long pointers = Pointer.totalCount();
      long bytes = Pointer.totalBytes();
      long process = Pointer.physicalBytes();
      long heap = heapInUse();

      small.runSteps(STEPS);

      assertThat(heapInUse() - heap).as("heap").isLessThan(HEAP_SLACK_BYTES);
      assertThat(Pointer.totalCount()).as("pointers").isLessThanOrEqualTo(pointers);
      assertThat(Pointer.totalBytes()).as("their bytes").isLessThanOrEqualTo(bytes);
      assertThat(Pointer.physicalBytes() - process).as("process").isLessThan(SLACK_BYTES);
    }
  }

  private static long heapInUse() {
    System.gc();
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
  }

  /** Starts, trains and stops again and again in some threads, while others predict. */
  static final class EightThreads {
    private static final int TRAINING = 4;
    private static final int STEPS = 5;

    private final long end;
    private final Map<String, ByteBuffer> trained;
    private final ByteBuffer logits;
    private final SmallStep shared;

    private EightThreads(SmallStep shared, long seconds) {
      this.shared = shared;
      logits = predict();
      try (SmallStep alone = start()) {
        trained = alone.stateAfter(STEPS);
      }
      end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    }

    /** Takes the seconds; prints {@code done} at the end. */
    public static void main(String[] args) throws Exception {
      Retort.threads(1);
      Threads.runAmongCollections(() -> run(Long.parseLong(args[0])));
      System.out.println("done");
    }

    static void run(long seconds) throws Exception {
      try (SmallStep shared = start()) {
        EightThreads all = new EightThreads(shared, seconds);
        Threads.runAll(
            Stream.concat(
                    IntStream.range(0, TRAINING).<Threads.Task>mapToObj(i -> all::train),
                    IntStream.range(0, TRAINING).<Threads.Task>mapToObj(i -> all::predictOn))
                .toArray(Threads.Task[]::new));
      }
    }

    /** Networks draw their weights from the process's generator. */
    private static synchronized SmallStep start() {
      return new SmallStep();
    }

    private void train() {
      do {
        try (SmallStep small = start()) {
          assertThat(small.stateAfter(STEPS)).isEqualTo(trained);
        }
      } while (System.nanoTime() < end);
    }

    private void predictOn() {
      do {
        assertThat(predict()).isEqualTo(logits);
      } while (System.nanoTime() < end);
    }

    private ByteBuffer predict() {
      Network student = shared.student;
      try (Tensor result = student.predict(shared.images.duplicate())) {
        return Bits.of(result);
      }
    }
  }
}
