package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.retort.data.Batch;
import org.retort.testing.ChildJvm;
import org.slf4j.LoggerFactory;

/** A process that is told to end in the middle of a step ends after it, and nothing is lost. */
final class StopOnInterruptTest {
  private static final int EPOCHS = 3;

  /** The batch that takes long is that of the second step of the second epoch. */
  private static final int SLOW_BATCH = 5;

  private static final int STATUS = 42;

  @TempDir private Path folder;

  /** What ends the process, and its status then. */
  enum End {
    INTERRUPT(130),
    TERMINATION(143),
    /** By another thread than that of the training. */
    EXIT(STATUS);

    private final int status;

    End(int status) {
      this.status = status;
    }
  }

  @ParameterizedTest
  @EnumSource
  void stopOnInterrupt_inALongStep_goesOnAtThatVeryStep(End end) throws Exception {
    Path files = folder.resolve("files");
    Path marker = folder.resolve("marker");
    try (ChildJvm child =
        ChildJvm.start(folder, Slow.class, end.name(), files.toString(), marker.toString())) {
      child.awaitFile(marker);
      switch (end) {
        case INTERRUPT -> child.signal("INT");
        case TERMINATION -> child.signal("TERM");
        case EXIT -> {} // by itself
      }
      assertThat(child.await()).as(child.output()).isEqualTo(end.status);
      assertThat(child.output()).contains("trained STOPPED").doesNotContain("Exception");
      assertThat(child.jniComplaints()).isEmpty();
    }
    assertThat(TrainingRecord.position(files.resolve("last.checkpoint"))).isEqualTo("1:2");

    TrainingRecord record = new TrainingRecord();
    Map<String, ByteBuffer> resumed = train(7, files, record);
    assertThat(record.calls).startsWith("start 5 of 9", "step 6");
    assertThat(resumed).isEqualTo(train(2, folder.resolve("straight"), new TrainingRecord()));
  }

  private static Map<String, ByteBuffer> train(long seed, Path files, TrainingRecord record) {
    try (DigitTraining training = new DigitTraining(seed)) {
      trainer(training, files).listener(record).build().run();
      return training.state();
    }
  }

  private static Trainer.Builder trainer(DigitTraining training, Path files) {
    return training
        .trainer(EPOCHS)
        .evaluate(training::accuracy)
        .checkpointEveryEpochs(EPOCHS)
        .keep(files)
        .resume();
  }

  @Test
  void stopOnInterrupt_exitByAListener_isNotWaitedFor() throws Exception {
    try (ChildJvm child = ChildJvm.start(folder, ExitingListener.class)) {
      assertThat(child.await()).as(child.output()).isEqualTo(STATUS);
    }
  }

  @Test
  void stopOnInterrupt_trainingThatIsOver_leavesNothingBehind() throws Exception {
    try (ChildJvm child = ChildJvm.start(folder, Finished.class)) {
      assertThat(child.await()).as(child.output()).isEqualTo(143);
      assertThat(child.output()).contains("FINISHED").doesNotContain("about to end");
    }
  }

  /** Trains by batches one of which takes longer than anything else waits for. */
  static final class Slow {
    private Slow() {}

    /** Takes what ends the process, the folder, and the file that tells of the slow batch. */
    public static void main(String[] args) {
      End end = End.valueOf(args[0]);
      Path marker = Path.of(args[2]);
      try (DigitTraining training = new DigitTraining(2)) {
        ForwardingBatches slow =
            new ForwardingBatches(DigitTraining.batches()) {
              private int read;

              @Override
              public Batch next() {
                if (++read == SLOW_BATCH) {
                  begin(marker, end);
                  sleep();
                }
                return super.next();
              }
            };
        Trainer trainer =
            Trainer.builder(training.step, slow)
                .epochs(EPOCHS)
                .evaluate(training::accuracy)
                .checkpointEveryEpochs(EPOCHS)
                .keep(Path.of(args[1]))
                .stopOnInterrupt()
                .listener(
                    new TrainingListener() {
                      @Override
                      public void onEnd(TrainingSummary summary) {
                        System.out.println("trained " + summary.end());
                      }
                    })
                .build();
        trainer.run();
      }
    }

    private static void begin(Path marker, End end) {
      try {
        Files.createFile(marker);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      if (end == End.EXIT) {
        new Thread(() -> System.exit(STATUS)).start();
      }
    }

    private static void sleep() {
      try {
        TimeUnit.MILLISECONDS.sleep(2000);
      } catch (InterruptedException error) {
        throw new AssertionError(error);
      }
    }
  }

  /** Ends the process on the thread of the training, which the hook must not wait for. */
  static final class ExitingListener {
    private ExitingListener() {}

    public static void main(String[] args) {
      DigitTraining training = new DigitTraining(2);
      training
          .trainer(1)
          .stopOnInterrupt()
          .listener(
              new TrainingListener() {
                @Override
                public void onStep(long step, StepResult result) {
                  System.exit(STATUS);
                }
              })
          .build()
          .run();
    }
  }

  /** Trains, then gets a signal. */
  static final class Finished {
    private Finished() {}

    public static void main(String[] args) throws Exception {
      ((Logger) LoggerFactory.getLogger(Trainer.class)).setLevel(Level.INFO);
      try (DigitTraining training = new DigitTraining(2)) {
        training.trainer(1).stopOnInterrupt().build().run();
      }
      new ProcessBuilder("kill", "-TERM", Long.toString(ProcessHandle.current().pid())).start();
      Thread.sleep(Long.MAX_VALUE);
    }
  }
}
