package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.Threads;

/** Objects that nobody closes, but that nobody can reach any more, give their memory back. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class DroppedObjectsTest {
  private static final int NETWORKS = 500;

  /** Each with two networks. */
  private static final int STEPS = 100;

  private static final int ROUND = 50;
  private static final int CALLS = 10;

  /** Of a network's weights; a step holds more than two networks. */
  private static final long NETWORK_BYTES = 4 * 78_000;

  @Test
  @Tag("memory")
  void networks_dropped_giveMemoryBack() throws InterruptedException {
    drop(ROUND, DroppedObjectsTest::useNetwork); // what is loaded and pooled once
    assertGivesBack(NETWORKS, DroppedObjectsTest::useNetwork);
  }

  private static void useNetwork() {
    Network network = ResNet.cifar(8, 5);
    assertThat(network.parameterCount()).isPositive();
  }

  @Test
  @Tag("memory")
  void steps_dropped_giveMemoryBack() throws InterruptedException {
    drop(ROUND, DroppedObjectsTest::useStep);
    assertGivesBack(STEPS, DroppedObjectsTest::useStep);
  }

  @SuppressWarnings("resource") // that is what this is about
  private static void useStep() {
    new SmallStep().run();
  }

  private static void assertGivesBack(int objects, Runnable use) throws InterruptedException {
    long pointers = Pointer.totalCount();
    long process = Pointer.physicalBytes();
    drop(objects, use);
    assertThat(Pointer.totalCount()).as("pointers").isLessThanOrEqualTo(pointers);
    assertThat(Pointer.physicalBytes() - process)
        .as("process")
        .isLessThan(objects * NETWORK_BYTES / 4);
  }

  /** Makes objects and drops them; collects garbage until nothing more comes of it. */
  private static void drop(int objects, Runnable use) throws InterruptedException {
    for (int i = 0; i < objects; i++) {
      use.run();
      if (i % ROUND == 0) {
        System.gc();
      }
    }
    for (int unchanged = 0; unchanged < 5; unchanged++) {
      long before = Pointer.totalCount();
      System.gc();
      TimeUnit.MILLISECONDS.sleep(20);
      unchanged = Pointer.totalCount() < before ? 0 : unchanged;
    }
  }

  @Test
  @SuppressWarnings("resource") // that is what this is about
  void objects_droppedDuringTheirCall_completeIt() throws Exception {
    double[] expected;
    float[] logits;
    try (SmallStep small = new SmallStep()) {
      logits = predict(small.student, small);
      small.run();
      expected = small.numbers();
    }
    Threads.runAmongCollections(
        () -> {
          for (int i = 0; i < CALLS; i++) {
            SmallStep small = new SmallStep();
            StepResult result = small.result;
            assertThat(predict(small.student, small)).isEqualTo(logits);
            small.step.run(small.images, small.labels, small.indices, result);
            assertThat(SmallStep.numbers(result)).isEqualTo(expected);
          }
        });
  }

  private static float[] predict(Network network, SmallStep small) {
    try (Tensor logits = network.predict(small.images)) {
      float[] values = new float[(int) logits.numel()];
      logits.data_ptr_float().get(values);
      return values;
    }
  }
}
