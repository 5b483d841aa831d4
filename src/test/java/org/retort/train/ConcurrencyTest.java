package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertUnusable;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;
import org.retort.testing.Program;
import org.retort.testing.Threads;

/** The timeout is for threads that wait for each other: such a test fails instead of hanging. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ConcurrencyTest {
  private static final int ROUNDS = 20;
  private static final int STEPS = 25;
  private static final int QUICK_STEPS = 1000;

  @TempDir private Path folder;

  @Test
  void run_fourThreadsOnOneStep_takeTurns() throws Exception {
    try (SmallStep small = new SmallStep();
        SmallStep alone = new SmallStep()) {
      Threads.Task task =
          () -> {
            StepResult result = small.step.newResult();
            for (int i = 0; i < STEPS; i++) {
              small.step.run(small.images, small.labels, null, result);
            }
          };

      Threads.runAll(task, task, task, task);

      assertThat(small.step.steps()).isEqualTo(4 * STEPS);
      assertThat(small.state()).isEqualTo(alone.stateAfter(4 * STEPS));
    }
  }

  @Test
  void run_twoStepsInTwoThreads_doNotDisturbEachOther() throws Exception {
    try (SmallStep one = new SmallStep();
        SmallStep other = new SmallStep();
        SmallStep alone = new SmallStep()) {
      Threads.runAll(() -> one.runSteps(STEPS), () -> other.runSteps(STEPS));

      Map<String, ByteBuffer> expected = alone.stateAfter(STEPS);
      assertThat(one.state()).isEqualTo(expected);
      assertThat(other.state()).isEqualTo(expected);
    }
  }

  @Test
  void predict_whileTheStudentIsTrained_disturbsNothing() throws Exception {
    try (SmallStep small = new SmallStep();
        SmallStep alone = new SmallStep()) {
      Threads.runAll(
          () -> small.runSteps(STEPS),
          () -> {
            for (int i = 0; i < STEPS; i++) {
              try (Tensor logits = small.student.predict(small.images)) {
                assertThat(logits.shape()).containsExactly(SmallStep.BATCH, SmallStep.CLASSES);
              }
            }
          });

      assertThat(small.state()).isEqualTo(alone.stateAfter(STEPS));
    }
  }

  @Test
  void run_twoStepsThatTeachEachOther_end() throws Exception {
    Path file =
        Program.linear(2)
            .save(
                folder.resolve("linear.ts"), "return torch.linear(x.flatten(1), self.weight), [x]");
    try (Network one = TorchScriptNetwork.load(file);
        Network other = TorchScriptNetwork.load(file);
        TrainingStep there = teach(one, other);
        TrainingStep back = teach(other, one)) {
      // Predictions keep one network busy while a step waits for it with the other one in hand.
      Threads.runAll(
          () -> runQuickSteps(there),
          () -> runQuickSteps(back),
          () -> predictQuickly(one),
          () -> predictQuickly(other));

      assertThat(there.steps()).isEqualTo(QUICK_STEPS);
      assertThat(back.steps()).isEqualTo(QUICK_STEPS);
    }
  }

  private static TrainingStep teach(Network student, Network teacher) {
    return TrainingStep.builder(student, teacher).inputShape(3, 2, 2).add(1, KdLoss.of(4)).build();
  }

  private static void runQuickSteps(TrainingStep step) {
    FloatBuffer image = Buffers.random(1, (int) Program.INPUTS);
    LongBuffer label = Buffers.longs(1);
    StepResult result = step.newResult();
    for (int i = 0; i < QUICK_STEPS; i++) {
      step.run(image, label, null, result);
    }
  }

  private static void predictQuickly(Network network) {
    FloatBuffer image = Buffers.random(1, (int) Program.INPUTS);
    for (int i = 0; i < QUICK_STEPS; i++) {
      network.predict(image).close();
    }
  }

  @RepeatedTest(ROUNDS)
  void close_stepWhileItRuns_waitsAndEndsTheLoop() throws Exception {
    try (SmallStep small = new SmallStep()) {
      closeDuring(small::run, small.step, "TrainingStep");
    }
  }

  @RepeatedTest(ROUNDS)
  void close_networkWhileItPredicts_waitsAndEndsTheLoop() throws Exception {
    try (SmallStep small = new SmallStep()) {
      closeDuring(() -> small.student.predict(small.images).close(), small.student, "ResNet");
    }
  }

  @RepeatedTest(ROUNDS)
  void close_networkWhileItsStateIsRead_waitsAndEndsTheLoop() throws Exception {
    try (SmallStep small = new SmallStep()) {
      closeDuring(() -> Bits.of(small.student.stateDict()), small.student, "ResNet");
    }
  }

  @Test
  void close_networksWhileTheirStepRuns_leaveItGoing() throws Exception {
    try (SmallStep small = new SmallStep();
        SmallStep alone = new SmallStep()) {
      CountDownLatch running = new CountDownLatch(2);
      Threads.runAll(
          () -> {
            for (int i = 0; i < STEPS; i++) {
              small.run();
              running.countDown();
            }
          },
          () -> {
            running.await();
            small.teacher.close();
            small.student.close();
          });

      assertThat(small.state()).isEqualTo(alone.stateAfter(STEPS));
    }
  }

  /** Calls again and again in one thread, and closes in another one after a few calls. */
  static void closeDuring(Runnable call, AutoCloseable object, String type) throws Exception {
    CountDownLatch running = new CountDownLatch(3);
    Threads.runAll(
        () ->
            assertUnusable(
                () -> {
                  while (true) {
                    call.run();
                    running.countDown();
                  }
                },
                type + ": object must be open (got a closed one)"),
        () -> {
          running.await();
          object.close();
        });
  }
}
