package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.retort.losses.CrdLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.Buffers;
import org.retort.testing.ChildJvm;

/** A virtual machine that ends while threads are in native code ends as if they were not. */
@Tag("soak")
final class ExitTest {
  /** How often each work is cut off; in 40 rounds there are 200 exits. */
  private static final int ROUNDS = Integer.getInteger("retort.soak.exits", 1);

  private static final int STATUS = 42;

  @TempDir private Path folder;

  /** What the threads do. */
  enum Work {
    /** For longer than the 300 ms that the virtual machine waits for threads in native code. */
    LONG_STEP,
    LONG_PREDICTION,
    STEP,
    SAVE,
    BUILD
  }

  @ParameterizedTest
  @EnumSource
  void exit_whileThreadsWork_keepsItsStatus(Work work) throws Exception {
    for (int i = 0; i < ROUNDS; i++) {
      int wait = 37 * i % 400; // milliseconds
      try (ChildJvm child =
          ChildJvm.start(folder, Exiting.class, work.name(), Integer.toString(wait))) {
        assertThat(child.await()).as(child.output()).isEqualTo(STATUS);
        assertThat(child.output()).contains("exit").doesNotContain("fatal error", "Exception");
      }
    }
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files.filter(file -> file.getFileName().toString().startsWith("hs_err")))
          .isEmpty();
    }
  }

  /** Ends while four threads work. */
  static final class Exiting {
    private static final int THREADS = 4;

    private Exiting() {}

    /** Takes the work, and how long it goes on, in milliseconds. */
    public static void main(String[] args) throws InterruptedException {
      Work work = Work.valueOf(args[0]);
      CountDownLatch begun = new CountDownLatch(THREADS);
      for (int i = 0; i < THREADS; i++) {
        Path file = Path.of("step" + i);
        Thread thread = new Thread(() -> repeat(work, file, begun));
        thread.setDaemon(true);
        thread.start();
      }
      begun.await();
      Thread.sleep(Long.parseLong(args[1]));
      System.out.println("exit");
      System.exit(STATUS);
    }

    private static void repeat(Work work, Path file, CountDownLatch begun) {
      int batch = work.name().startsWith("LONG") ? 512 : 4;
      FloatBuffer images = Buffers.random(1, batch * 3 * 32 * 32);
      LongBuffer rows = Buffers.longs(new long[batch]);
      Network student = ResNet.cifar(8, 5);
      Network teacher = ResNet.cifar(14, 5);
      TrainingStep step = build(student, teacher);
      StepResult result = step.newResult();
      begun.countDown();
      while (true) {
        switch (work) {
          case LONG_STEP, STEP -> step.run(images, rows, rows, result);
          case LONG_PREDICTION -> student.predict(images).close();
          case SAVE -> step.save(file);
          case BUILD -> build(student, teacher).close();
        }
      }
    }

    private static TrainingStep build(Network student, Network teacher) {
      return TrainingStep.builder(student, teacher)
          .inputShape(3, 32, 32)
          .add(1, KdLoss.of(4))
          .add(1, NstLoss.polynomial(), Taps.of("layer2"))
          .add(1, CrdLoss.forSamples(99).withNegatives(8), Taps.of("embedding"))
          .build();
    }
  }
}
