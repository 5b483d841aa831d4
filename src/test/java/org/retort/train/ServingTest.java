package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertUnusable;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.models.Network;
import org.retort.testing.Threads;

/** Predictions with the published weights, while others train. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ServingTest {
  private static final int STEPS = 60;
  private static final int READERS = 6;
  private static final int ROUNDS = 10;

  @TempDir private Path folder;
  private final int threads = Retort.threads();

  @BeforeEach
  void useOneThread() {
    Retort.threads(1); // the threads of the tests are enough
  }

  @AfterEach
  void useAllThreads() {
    Retort.threads(threads);
  }

  @Test
  void predict_whileStepsAreRunAndPublished_seesPublishedVersionsInTheirOrder() throws Exception {
    List<ByteBuffer> versions = new ArrayList<>();
    Map<String, ByteBuffer> trained;
    try (SmallStep alone = new SmallStep()) {
      Reader reader = new Reader(alone);
      trainAndPublish(alone, () -> versions.add(copy(reader.predict())));
      trained = alone.state();
    }
    assertThat(versions).doesNotHaveDuplicates();

    try (SmallStep small = new SmallStep()) {
      small.step.publish();
      AtomicBoolean ends = new AtomicBoolean();
      CountDownLatch reading = new CountDownLatch(READERS);
      Threads.Task[] tasks = new Threads.Task[READERS + 1];
      Arrays.fill(
          tasks,
          (Threads.Task)
              () -> {
                Reader reader = new Reader(small);
                int version = 0;
                boolean last;
                do {
                  last = ends.get();
                  version = versionOf(reader.predict(), versions, version);
                  reading.countDown();
                } while (!last);
                assertThat(version).isEqualTo(versions.size() - 1);
              });
      tasks[READERS] =
          () -> {
            try {
              reading.await();
              trainAndPublish(small, () -> {});
            } finally {
              ends.set(true);
            }
          };

      Threads.runAll(tasks);

      assertThat(small.state()).isEqualTo(trained);
    }
  }

  /** Publishes before the first step and after two of three. */
  private static void trainAndPublish(SmallStep small, Runnable published) {
    small.step.publish();
    published.run();
    for (int i = 1; i <= STEPS; i++) {
      small.run();
      if (i % 3 != 1) {
        small.step.publish();
        published.run();
      }
    }
  }

  /** Returns the place of logits among those of all versions, none of which may be an older one. */
  private static int versionOf(ByteBuffer logits, List<ByteBuffer> versions, int oldest) {
    for (int version = oldest; version < versions.size(); version++) {
      if (logits.equals(versions.get(version))) {
        return version;
      }
    }
    throw new AssertionError("logits of no version published since number " + oldest);
  }

  @Test
  void predict_whileWeightsAreSavedAndConverted_keepsThePublished() throws Exception {
    try (SmallStep small = new SmallStep()) {
      Path checkpoint = folder.resolve("step");
      small.step.save(checkpoint);
      small.run();
      small.student.publish();
      ByteBuffer published = copy(new Reader(small).predict());
      AtomicBoolean ends = new AtomicBoolean();
      Threads.Task read =
          () -> {
            Reader reader = new Reader(small);
            while (!ends.get()) {
              assertThat(reader.predict()).isEqualTo(published);
            }
          };
      Threads.Task change =
          () -> {
            try {
              for (int i = 0; i < ROUNDS; i++) {
                small.student.convert(ScalarType.Double);
                small.student.convert(ScalarType.Float);
                small.student.saveStateDict(folder.resolve("other.pt"));
                small.student.saveTorchScript(folder.resolve("other.ts"));
                small.step.load(checkpoint);
                small.student.probe(3, 8, 8);
                small.run();
              }
            } finally {
              ends.set(true);
            }
          };

      Threads.runAll(read, read, read, change);
    }
  }

  @Test
  void loadStateDict_whileOthersPredict_publishesTheLoadedWeights() throws Exception {
    try (SmallStep small = new SmallStep()) {
      List<Path> files = new ArrayList<>();
      List<ByteBuffer> expected = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        files.add(folder.resolve(i + ".pt"));
        small.student.saveStateDict(files.get(i));
        small.student.publish();
        expected.add(copy(new Reader(small).predict()));
        small.run();
      }
      AtomicBoolean ends = new AtomicBoolean();
      Threads.Task read =
          () -> {
            Reader reader = new Reader(small);
            while (!ends.get()) {
              assertThat(expected).contains(reader.predict());
            }
          };
      Threads.Task load =
          () -> {
            try {
              Reader reader = new Reader(small);
              for (int i = 0; i < 2 * ROUNDS; i++) {
                small.student.loadStateDict(files.get(i % 2));
                assertThat(reader.predict()).isEqualTo(expected.get(i % 2));
                small.run();
              }
            } finally {
              ends.set(true);
            }
          };

      Threads.runAll(read, read, load);
    }
  }

  @RepeatedTest(ROUNDS)
  void close_whilePublishedWeightsServe_waitsAndEndsTheLoops() throws Exception {
    try (SmallStep small = new SmallStep()) {
      small.student.publish();
      CountDownLatch running = new CountDownLatch(3 * READERS);
      Threads.Task[] tasks = new Threads.Task[READERS + 1];
      Arrays.fill(
          tasks,
          (Threads.Task)
              () -> {
                Reader reader = new Reader(small);
                assertUnusable(
                    () -> {
                      while (true) {
                        reader.predict();
                        running.countDown();
                      }
                    },
                    "ResNet: object must be open (got a closed one)");
              });
      tasks[READERS] =
          () -> {
            running.await();
            small.student.close();
          };

      Threads.runAll(tasks);

      small.run(); // the step has the network still
    }
  }

  /** Predicts the images of a step into memory of its own. */
  private static final class Reader {
    private final Network student;
    private final FloatBuffer images;
    private final ByteBuffer bits =
        ByteBuffer.allocateDirect(SmallStep.BATCH * SmallStep.CLASSES * Float.BYTES);
    private final FloatBuffer logits = bits.order(ByteOrder.nativeOrder()).asFloatBuffer();

    Reader(SmallStep small) {
      student = small.student;
      images = small.images.duplicate();
    }

    /** Returns the logits' bits, until the next call. */
    ByteBuffer predict() {
      student.predict(images, logits);
      return bits;
    }
  }

  private static ByteBuffer copy(ByteBuffer bits) {
    return ByteBuffer.allocate(bits.capacity()).put(bits.duplicate()).flip();
  }
}
