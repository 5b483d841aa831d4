package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertFails;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertUnusable;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.concurrent.CountDownLatch;
import java.util.function.DoubleSupplier;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.FileException;
import org.retort.NonFiniteException;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.testing.Bits;
import org.retort.testing.ChildJvm;
import org.retort.train.TrainingSummary.End;
import org.slf4j.LoggerFactory;

final class TrainerTest {
  @AutoClose private final DigitTraining training = new DigitTraining(2);
  private final TrainingRecord record = new TrainingRecord();

  @TempDir private Path folder;

  /** Does something after each step. */
  private interface AfterStep extends TrainingListener {
    void run(long step);

    @Override
    default void onStep(long step, StepResult result) {
      run(step);
    }
  }

  /** Returns these scores one after the other. */
  private static DoubleSupplier scores(double... scores) {
    return DoubleStream.of(scores).iterator()::nextDouble;
  }

  private TrainingSummary run(Trainer.Builder trainer) {
    return trainer.listener(record).build().run();
  }

  @Test
  void run_twoEpochs_tellsListenersInOrder() {
    run(training.trainer(2).evaluate(training::accuracy).keep(folder));
    assertThat(record.calls)
        .containsExactly(
            "start 0 of 6",
            "step 1",
            "step 2",
            "step 3",
            "epoch 0",
            "step 4",
            "step 5",
            "step 6",
            "epoch 1",
            "end FINISHED");
  }

  @Test
  void run_evaluation_hasACheckpointBeforeAndAfter() {
    List<String> atEvaluation = new ArrayList<>();
    run(
        training
            .trainer(2)
            .evaluate(
                () -> {
                  atEvaluation.add(String.join(" ", record.calls.subList(1, record.calls.size())));
                  return 0;
                })
            .keep(folder));
    assertThat(record.checkpoints).containsExactly("0:3", "1:0", "1:3", "2:0");
    assertThat(atEvaluation)
        .containsExactly(
            "step 1 step 2 step 3", "step 1 step 2 step 3 epoch 0 step 4 step 5 step 6");
  }

  @Test
  void run_lateResults_tellsOfEveryStepOnce() {
    try (DigitTraining late = new DigitTraining(2, builder -> builder.lateResults(true))) {
      TrainingSummary summary = run(late.trainer(2));
      assertThat(summary.steps()).isEqualTo(6);
      assertThat(late.step.steps()).isEqualTo(3);
    }
    assertThat(record.calls)
        .containsExactly(
            "start 0 of 6",
            "step 1",
            "step 2",
            "step 3",
            "epoch 0",
            "step 4",
            "step 5",
            "step 6",
            "epoch 1",
            "end FINISHED");
  }

  @Test
  void run_epoch_isSummedUp() {
    List<StepResult> results = new ArrayList<>();
    double[] sums = new double[3];
    TrainingListener adding =
        new TrainingListener() {
          @Override
          public void onStep(long step, StepResult result) {
            results.add(result);
            sums[0] += result.total();
            sums[1] += result.correct();
            sums[2] += result.labeled();
          }
        };
    run(training.trainer(1).evaluate(training::accuracy).listener(adding));
    EpochSummary epoch = record.epochs.get(0);
    assertThat(epoch.epoch()).isZero();
    assertThat(epoch.steps()).isEqualTo(DigitTraining.STEPS);
    assertThat(epoch.skipped()).isZero();
    assertThat(epoch.loss()).isCloseTo(sums[0] / DigitTraining.STEPS, within(1e-12));
    assertThat(sums[2]).isEqualTo(DigitTraining.STEPS * DigitTraining.BATCH);
    assertThat(epoch.accuracy()).hasValue(sums[1] / sums[2]);
    assertThat(epoch.score()).hasValue(training.accuracy());
    assertThat(epoch.best()).isTrue();
    assertThat(epoch.learningRate()).isEqualTo(0.05);
    assertThat(results).hasSize(DigitTraining.STEPS).allMatch(result -> result == results.get(0));
  }

  @Test
  void run_trains_asTheLoopThatItReplaces() {
    run(training.trainer(2));
    try (DigitTraining other = new DigitTraining(2)) {
      StepResult result = other.step.newResult();
      Batches batches = DigitTraining.batches();
      for (int epoch = 0; epoch < 2; epoch++) {
        batches.startEpoch(epoch);
        for (int i = 0; i < batches.stepsPerEpoch(); i++) {
          Batch batch = batches.next();
          other.step.run(batch.images(), batch.labels(), batch.indices(), result);
        }
      }
      assertThat(training.state()).isEqualTo(other.state());
    }
  }

  @Test
  void evaluateEvery_two_evaluatesThenAndAtTheEnd() {
    run(training.trainer(5).evaluate(scores(0.3, 0.2, 0.4)).evaluateEvery(2));
    assertThat(record.epochs)
        .extracting(EpochSummary::score)
        .containsExactly(
            OptionalDouble.empty(),
            OptionalDouble.of(0.3),
            OptionalDouble.empty(),
            OptionalDouble.of(0.2),
            OptionalDouble.of(0.4));
    assertThat(record.epochs)
        .extracting(EpochSummary::best)
        .containsExactly(false, true, false, false, true);
  }

  @Test
  void patience_twoWithoutANewBest_endsEarly() {
    TrainingSummary summary =
        run(
            training
                .trainer(9)
                .evaluate(scores(0.1, Double.NaN, 0.3, 0.3, 0.2, 0.9))
                .patience(2)
                .checkpointEveryEpochs(9)
                .keep(folder));
    assertThat(summary.end()).isEqualTo(End.STOPPED_EARLY);
    assertThat(summary.epochs()).isEqualTo(5);
    assertThat(summary.steps()).isEqualTo(15);
    assertThat(summary.bestScore()).hasValue(0.3);
    assertThat(summary.bestEpoch()).hasValue(2);
    assertThat(record.calls).endsWith("epoch 4", "end STOPPED_EARLY");
    assertThat(record.checkpoints).containsExactly("0:3", "1:3", "2:3", "3:3", "4:3", "5:0");
  }

  @Test
  void run_noEvaluation_hasNoBest() throws IOException {
    TrainingSummary summary = run(training.trainer(1).keep(folder));
    assertThat(summary.bestScore()).isEmpty();
    assertThat(summary.bestEpoch()).isEmpty();
    assertThat(record.epochs.get(0).best()).isFalse();
    try (var files = Files.list(folder)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("last.pt", "last.checkpoint");
    }
  }

  @Test
  void keep_files_areTheBestAndTheLastStudent() throws IOException {
    TrainingListener saving =
        new TrainingListener() {
          @Override
          public void onEpoch(EpochSummary epoch) {
            training.student.saveStateDict(folder.resolve("epoch" + epoch.epoch()));
          }
        };
    Path files = folder.resolve("some").resolve("where");
    run(training.trainer(3).evaluate(scores(0.1, 0.3, 0.2)).keep(files).listener(saving));
    assertThat(files.resolve("best.pt")).hasSameBinaryContentAs(folder.resolve("epoch1"));
    assertThat(files.resolve("last.pt")).hasSameBinaryContentAs(folder.resolve("epoch2"));
    assertThat(folder.resolve("epoch1")).isNotEmptyFile();
    assertThat(Files.mismatch(folder.resolve("epoch1"), folder.resolve("epoch2"))).isPositive();
  }

  @Test
  void checkpointEveryEpochs_two_writesThenAndAtTheEnd() {
    run(training.trainer(5).checkpointEveryEpochs(2).keep(folder));
    assertThat(record.checkpoints).containsExactly("2:0", "4:0", "5:0");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void checkpointEverySteps_two_countsThroughAllEpochs(boolean late) {
    try (DigitTraining each = new DigitTraining(2, builder -> builder.lateResults(late))) {
      run(each.trainer(3).checkpointEverySteps(2).checkpointEveryEpochs(9).keep(folder));
    }
    assertThat(record.checkpoints).containsExactly("0:2", "1:1", "1:3", "2:2", "3:0");
    assertThat(record.steps).hasSize(9);
  }

  @Test
  void checkpointEvery_timeThatEveryStepTakes_writesAfterEveryStep() {
    run(
        training
            .trainer(1)
            .evaluate(training::accuracy)
            .checkpointEvery(Duration.ofNanos(1))
            .keep(folder));
    assertThat(record.checkpoints).containsExactly("0:1", "0:2", "0:3", "1:0");
  }

  @Test
  void checkpointEvery_timeThatDoesNotPass_writesNothingMore() {
    run(training.trainer(1).checkpointEvery(Duration.ofSeconds(Long.MAX_VALUE)).keep(folder));
    assertThat(record.checkpoints).containsExactly("1:0");
  }

  @Test
  void stop_byAnotherThread_endsAfterTheRunningStep() throws Exception {
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch stopped = new CountDownLatch(1);
    AfterStep waiting =
        step -> {
          running.countDown();
          awaitQuietly(stopped);
        };
    Trainer trainer =
        training.trainer(1000).keep(folder).listener(record).listener(waiting).build();
    Thread stopping =
        new Thread(
            () -> {
              awaitQuietly(running);
              trainer.stop();
              stopped.countDown();
            });
    stopping.start();
    TrainingSummary summary = trainer.run();
    stopping.join();
    assertThat(summary.end()).isEqualTo(End.STOPPED);
    assertThat(summary.steps()).isEqualTo(1);
    assertThat(summary.epochs()).isZero();
    assertThat(record.calls).containsExactly("start 0 of 3000", "step 1", "end STOPPED");
    assertThat(record.checkpoints).containsExactly("0:1");
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException error) {
      throw new AssertionError(error);
    }
  }

  @Test
  void stop_beforeRun_doesNoStep() {
    Trainer trainer = training.trainer(2).listener(record).build();
    trainer.stop();
    assertThat(trainer.run().end()).isEqualTo(End.STOPPED);
    assertThat(record.calls).containsExactly("start 0 of 6", "end STOPPED");
  }

  @Test
  void stop_afterTheLastStepOfAnEpoch_leavesTheEvaluationToTheNextRun() {
    Trainer[] trainer = new Trainer[1];
    AfterStep stopping = step -> trainer[0].stop();
    trainer[0] =
        Trainer.builder(training.step, new Same(1))
            .epochs(1)
            .evaluate(training::accuracy)
            .listener(record)
            .listener(stopping)
            .build();
    assertThat(trainer[0].run().epochs()).isZero();
    assertThat(record.calls).containsExactly("start 0 of 1", "step 1", "end STOPPED");
  }

  @Test
  void run_interrupted_endsAfterTheRunningStepAndKeepsTheFlag() {
    AfterStep interrupting =
        step -> {
          if (step == 4) {
            Thread.currentThread().interrupt();
          }
        };
    TrainingSummary summary = run(training.trainer(9).keep(folder).listener(interrupting));
    assertThat(Thread.interrupted()).isTrue();
    assertThat(summary.end()).isEqualTo(End.STOPPED);
    assertThat(summary.steps()).isEqualTo(4);
    assertThat(folder.resolve("last.checkpoint")).isNotEmptyFile();
  }

  @Test
  void listener_throws_endsTheTrainingAndTellsEveryone() {
    IllegalStateException failure = new IllegalStateException("listener");
    AfterStep failing =
        step -> {
          if (step == 2) {
            throw failure;
          }
        };
    IllegalStateException another = new IllegalStateException("end");
    TrainingListener failingToo =
        new TrainingListener() {
          @Override
          public void onEnd(TrainingSummary summary) {
            throw another;
          }
        };
    assertThatThrownBy(
            () -> run(training.trainer(2).keep(folder).listener(failing).listener(failingToo)))
        .isSameAs(failure)
        .hasSuppressedException(another);
    // The failing one came first.
    assertThat(record.calls).containsExactly("start 0 of 6", "step 1", "end FAILED");
    assertThat(record.ends.get(0).steps()).isEqualTo(2);
    assertThat(folder).isEmptyDirectory();
  }

  private static TrainingListener failing(Error onStep, Error onEnd) {
    return new TrainingListener() {
      @Override
      public void onStep(long step, StepResult result) {
        throw onStep;
      }

      @Override
      public void onEnd(TrainingSummary summary) {
        throw onEnd;
      }
    };
  }

  @Test
  void listener_throwsAnError_endsTheTrainingAndTellsEveryone() {
    Error failure = new StackOverflowError("listener");
    Error another = new LinkageError("end");
    TrainingListener failing = failing(failure, another);
    assertThatThrownBy(() -> run(training.trainer(2).listener(failing).listener(failing)))
        .isSameAs(failure)
        .hasSuppressedException(another);
    assertThat(record.calls).containsExactly("start 0 of 6", "end FAILED");
  }

  @Test
  void listener_throwsAtTheEndWhatEndedIt_isNotSuppressedByItself() {
    Error failure = new StackOverflowError("listener");
    TrainingListener failing = failing(failure, failure);
    assertThatThrownBy(() -> run(training.trainer(2).listener(failing).listener(failing)))
        .isSameAs(failure)
        .hasNoSuppressedExceptions();
  }

  @ParameterizedTest
  @MethodSource("pairsOfFailures")
  void listener_throwsAtTheEnd_othersAreToldAndItIsPassedOn(Throwable first, Throwable second) {
    Trainer.Builder trainer = training.trainer(1);
    List.of(first, second)
        .forEach(
            failure ->
                trainer.listener(
                    new TrainingListener() {
                      @Override
                      public void onEnd(TrainingSummary summary) {
                        sneakyThrow(failure);
                      }
                    }));
    assertThatThrownBy(() -> run(trainer)).isSameAs(first).hasSuppressedException(second);
    assertThat(record.calls).endsWith("end FINISHED");
  }

  static Stream<Arguments> pairsOfFailures() {
    return Stream.of(
        Arguments.of(new IllegalStateException("first"), new IllegalStateException("second")),
        Arguments.of(new IllegalStateException("first"), new OutOfMemoryError("second")),
        Arguments.of(new OutOfMemoryError("first"), new IllegalStateException("second")));
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> void sneakyThrow(Throwable failure) throws T {
    throw (T) failure;
  }

  @Test
  void step_fails_endsTheTraining() {
    Same notFinite = new Same(5);
    notFinite.batch.images().put(0, Float.NaN);
    assertThatThrownBy(() -> run(Trainer.builder(training.step, notFinite).epochs(1)))
        .isInstanceOf(NonFiniteException.class);
    assertThat(record.calls).containsExactly("start 0 of 5", "end FAILED");
  }

  @Test
  void step_skipped_doesNotCountInTheMeans() {
    Same notFinite = new Same(2);
    notFinite.batch.images().put(0, Float.NaN);
    try (TrainingStep step =
        TrainingStep.builder(training.student)
            .inputShape(1, 8, 8)
            .crossEntropy(1)
            .optimizer(Sgd.of(0.1))
            .skipNonFinite()
            .build()) {
      run(Trainer.builder(step, notFinite).epochs(1));
    }
    EpochSummary epoch = record.epochs.get(0);
    assertThat(epoch.steps()).isEqualTo(2);
    assertThat(epoch.skipped()).isEqualTo(2);
    assertThat(epoch.loss()).isNaN();
    assertThat(epoch.accuracy()).isEmpty();
  }

  @Test
  void publishEvery_two_servesTheStudentOfThenAndOfTheEnd() {
    List<ByteBuffer> served = new ArrayList<>();
    Trainer[] trainer = new Trainer[1];
    TrainingListener predicting =
        new TrainingListener() {
          @Override
          public void onStart(long done, long steps) {
            predict();
          }

          @Override
          public void onStep(long step, StepResult result) {
            predict();
            if (step == 5) {
              trainer[0].stop();
            }
          }

          @Override
          public void onEnd(TrainingSummary summary) {
            predict();
          }

          private void predict() {
            try (Tensor logits = training.student.predict(training.test.images())) {
              served.add(Bits.of(logits));
            }
          }
        };
    trainer[0] = training.trainer(2).publishEvery(2).listener(predicting).build();
    trainer[0].run();
    // At the start, after steps 2 and 4, and when it was stopped after step 5.
    List<Integer> expected = List.of(0, 0, 2, 2, 4, 4, 5);
    for (int i = 1; i < expected.size(); i++) {
      boolean same = expected.get(i).equals(expected.get(i - 1));
      assertThat(served.get(i).equals(served.get(i - 1))).as("after %s", i).isEqualTo(same);
    }
    assertThat(served).hasSize(expected.size());
  }

  @Test
  void run_log_hasALineForEachEpochAndCheckpoint() {
    Logger log = (Logger) LoggerFactory.getLogger(Trainer.class);
    ListAppender<ILoggingEvent> lines = new ListAppender<>();
    Level level = log.getLevel();
    log.setLevel(Level.TRACE);
    log.setAdditive(false);
    log.addAppender(lines);
    lines.start();
    try {
      run(training.trainer(2).evaluate(scores(0.25, 0.125)).keep(folder));
    } finally {
      log.detachAppender(lines);
      log.setAdditive(true);
      log.setLevel(level);
    }
    String epoch = ": loss \\S+, accuracy \\S+, score ";
    assertThat(linesOf(lines, Level.INFO))
        .zipSatisfy(
            List.of(
                "training for 2 epochs of 3 steps",
                "epoch 0" + epoch + "0.2500, the best so far, \\S+ s",
                "epoch 1" + epoch + "0.1250, \\S+ s",
                "FINISHED after 2 epochs, 6 steps and \\S+ s"),
            (line, expected) -> assertThat(line).matches(expected));
    String checkpoint = "checkpoint " + folder.resolve("last.checkpoint") + " after ";
    assertThat(linesOf(lines, Level.DEBUG))
        .containsExactly(
            checkpoint + "3 steps",
            checkpoint + "3 steps",
            checkpoint + "6 steps",
            checkpoint + "6 steps");
  }

  private static List<String> linesOf(ListAppender<ILoggingEvent> lines, Level level) {
    return lines.list.stream()
        .filter(line -> line.getLevel().equals(level))
        .map(ILoggingEvent::getFormattedMessage)
        .toList();
  }

  @Test
  void run_twice_isRefused() {
    Trainer trainer = training.trainer(1).build();
    trainer.run();
    assertUnusable(trainer::run, "Trainer.run: trainer must be new (got one that has run)");
  }

  @Test
  void run_folderThatCannotBeMade_isRefusedBeforeTheFirstStep() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    for (Path wrong : List.of(file, file.resolve("below"))) {
      assertFails(
          training.trainer(1).keep(wrong).listener(record).build()::run,
          FileException.class,
          "Trainer.run: folder must be one that exists or can be created (got " + wrong + ")");
    }
    assertThat(record.calls).isEmpty();
  }

  @Test
  void run_folderThatCannotBeWritten_isRefusedBeforeTheFirstStep() {
    // not even by root
    assertFails(
        training.trainer(1).keep(Path.of("/proc")).listener(record).build()::run,
        FileException.class,
        "StepCheckpoint.write: path must be a file that can be written"
            + " (got /proc/probe.checkpoint: No such file or directory)");
    assertThat(record.calls).isEmpty();
  }

  @Test
  void run_diskWithoutRoom_isRefusedBeforeTheFirstStep() throws Exception {
    Path files = folder.resolve("files");
    try (ChildJvm child = ChildJvm.start(folder, WithoutRoom.class, files.toString())) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output())
          .contains(
              "StepCheckpoint.write: path must be a file that can be written"
                  + " (got "
                  + files.resolve("probe.checkpoint")
                  + ": File too large), after []");
    }
    assertThat(files).isEmptyDirectory();
  }

  /**
   * Trains where files can be of half a checkpoint's size only, as on a disk that is nearly full.
   */
  static final class WithoutRoom {
    private static final int MOST_BYTES = 1_000_000;

    private WithoutRoom() {}

    public static void main(String[] arguments) throws Exception {
      TrainingRecord calls = new TrainingRecord();
      try (DigitTraining training = new DigitTraining(2)) {
        String pid = Long.toString(ProcessHandle.current().pid());
        Process limiting =
            new ProcessBuilder("prlimit", "--fsize=" + MOST_BYTES, "--pid", pid)
                .inheritIO()
                .start();
        assertThat(limiting.waitFor()).isZero();
        Trainer trainer = training.trainer(1).keep(Path.of(arguments[0])).listener(calls).build();
        assertThatThrownBy(trainer::run)
            .isInstanceOf(FileException.class)
            .satisfies(
                refused -> System.out.println(refused.getMessage() + ", after " + calls.calls));
      }
    }
  }

  @Test
  void run_folderGoneLater_endsTheTrainingAtANextStep() {
    AfterStep breaking = step -> replaceByFile(step, 1);
    assertThatThrownBy(
            () ->
                run(
                    training
                        .trainer(9)
                        .checkpointEverySteps(1)
                        .keep(folder.resolve("files"))
                        .listener(breaking)))
        .isInstanceOf(RetortException.class)
        .hasMessageStartingWith("StepCheckpoint.write");
    // Written after the first step, told of at the latest when the next is to be written.
    assertThat(record.calls).containsSequence("step 1", "step 2", "end FAILED");
    assertThat(record.checkpoints).isEmpty();
  }

  @Test
  void run_folderGoneAtTheEnd_fails() {
    AfterStep breaking = step -> replaceByFile(step, 3);
    assertThatThrownBy(
            () -> run(training.trainer(1).keep(folder.resolve("files")).listener(breaking)))
        .isInstanceOf(RetortException.class);
    assertThat(record.calls).endsWith("epoch 0", "end FAILED");
  }

  /** Puts a file in the place of the trainer's empty folder when a step is the one. */
  private void replaceByFile(long step, long when) {
    Path files = folder.resolve("files");
    try {
      if (step == when) {
        Files.delete(files);
        Files.createFile(files);
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** The same batch again and again. */
  private static final class Same implements Batches {
    private final Batch batch = Batch.allocate(DigitTraining.BATCH, 1, 8, 8);
    private final int stepsPerEpoch;

    Same(int stepsPerEpoch) {
      this.stepsPerEpoch = stepsPerEpoch;
      for (int i = 0; i < batch.size(); i++) {
        batch.indices().put(i, i);
      }
    }

    @Override
    public int stepsPerEpoch() {
      return stepsPerEpoch;
    }

    @Override
    public void startEpoch(int epoch) {}

    @Override
    public Batch next() {
      return batch;
    }
  }

  @Test
  void run_withinAnEpoch_makesNoGarbage() {
    int warmUp = 100;
    int steps = 400;
    ThreadMXBean java = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long[] bytes = new long[2];
    AfterStep reading =
        step -> {
          if (step == warmUp) {
            bytes[0] = java.getCurrentThreadAllocatedBytes();
          } else if (step == warmUp + steps) {
            bytes[1] = java.getCurrentThreadAllocatedBytes();
          }
        };
    int threads = Retort.threads();
    Retort.threads(1); // the network is too small for more
    try {
      Trainer.builder(training.step, new Same(warmUp + steps))
          .epochs(1)
          .listener(new TrainingListener() {})
          .listener(reading)
          .build()
          .run();
    } finally {
      Retort.threads(threads);
    }
    // The smallest object takes 16 bytes; the virtual machine's own few are counted, too.
    assertThat(bytes[1] - bytes[0]).isLessThan(8L * steps);
  }

  @Test
  void builder_invalidArguments_areRejected() {
    assertIllegal(
        () -> Trainer.builder(null, DigitTraining.batches()),
        "Trainer.builder: step must be given (got null)");
    assertIllegal(
        () -> Trainer.builder(training.step, null),
        "Trainer.builder: batches must be given (got null)");
    Trainer.Builder builder = Trainer.builder(training.step, DigitTraining.batches());
    assertIllegal(builder::build, "Trainer.Builder.build: epochs must be given (got none)");
    assertIllegal(
        () -> builder.epochs(0), "Trainer.Builder.epochs: epochs must be at least 1 (got 0)");
    assertIllegal(
        () -> builder.evaluate(null), "Trainer.Builder.evaluate: score must be given (got null)");
    assertIllegal(
        () -> builder.evaluateEvery(0),
        "Trainer.Builder.evaluateEvery: epochs must be at least 1 (got 0)");
    assertIllegal(
        () -> builder.patience(0),
        "Trainer.Builder.patience: evaluations must be at least 1 (got 0)");
    assertIllegal(
        () -> builder.keep(null), "Trainer.Builder.keep: folder must be given (got null)");
    assertIllegal(
        () -> builder.checkpointEveryEpochs(0),
        "Trainer.Builder.checkpointEveryEpochs: epochs must be at least 1 (got 0)");
    assertIllegal(
        () -> builder.checkpointEverySteps(0),
        "Trainer.Builder.checkpointEverySteps: steps must be at least 1 (got 0)");
    assertIllegal(
        () -> builder.checkpointEvery(null),
        "Trainer.Builder.checkpointEvery: time must be given (got null)");
    for (Duration time : List.of(Duration.ZERO, Duration.ofNanos(-1))) {
      assertIllegal(
          () -> builder.checkpointEvery(time),
          "Trainer.Builder.checkpointEvery: time must be positive (got " + time + ")");
    }
    assertIllegal(
        () -> builder.publishEvery(0),
        "Trainer.Builder.publishEvery: steps must be at least 1 (got 0)");
    assertIllegal(
        () -> builder.listener(null),
        "Trainer.Builder.listener: listener must be given (got null)");
    builder.epochs(1);
    assertIllegal(
        builder.resume()::build, "Trainer.Builder.build: resume must be used with keep (got none)");
    builder.keep(folder);
    assertIllegal(
        builder.patience(1)::build,
        "Trainer.Builder.build: patience must be used with evaluate (got none)");
  }
}
