package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.FileException;
import org.retort.RankException;
import org.retort.data.Batch;
import org.retort.distributed.Ranks;
import org.retort.testing.ChildJvm;
import org.retort.testing.Precision;
import org.retort.testing.RankThreads;
import org.retort.train.TrainingSummary.End;
import org.slf4j.LoggerFactory;

/** Trainers that run on several ranks at once. */
@Timeout(600)
final class TrainerRanksTest {
  private static final int EPOCHS = 4;

  /** Where no rank but the first may write. */
  private static final Path NOWHERE = Path.of("/proc");

  @TempDir private Path folder;

  /**
   * What a trainer has done.
   *
   * @param record what listeners were told
   * @param state the state afterwards
   * @param bits the same bit for bit
   * @param failure what it threw, or null
   */
  record Trained(
      TrainingRecord record,
      Map<String, Tensor> state,
      Map<String, ByteBuffer> bits,
      Throwable failure) {
    List<String> calls() {
      return record.calls;
    }
  }

  /** Changes the trainer of a rank. */
  private interface Change {
    Change NONE = (rank, training, trainer) -> trainer;

    Trainer.Builder of(int rank, SharedTraining training, Trainer.Builder trainer);
  }

  private Path files(int rank) {
    return rank == 0 ? folder.resolve("files") : NOWHERE;
  }

  private static Trained train(Ranks ranks, Change change) {
    TrainingRecord record = new TrainingRecord();
    try (SharedTraining training = SharedTraining.of(ranks)) {
      int rank = ranks == null ? 0 : ranks.rank();
      Trainer trainer =
          change.of(rank, training, training.trainer(EPOCHS).listener(record)).build();
      Throwable failure = catchThrowable(trainer::run);
      return new Trained(record, training.state(), training.bits(), failure);
    }
  }

  private static List<Trained> trainAll(int size, Change change) throws Exception {
    return RankThreads.run(size, ranks -> train(ranks, change));
  }

  private static Trained alone(Change change) {
    return train(null, change);
  }

  /** Expects all ranks to have been told the same and to hold the same. */
  private static Trained same(List<Trained> all) {
    Trained first = all.get(0);
    for (Trained each : all) {
      assertThat(each.failure()).isNull();
      assertThat(each.calls()).isEqualTo(first.calls());
      assertThat(each.record().steps).isEqualTo(first.record().steps);
      assertThat(each.record().epochs).isEqualTo(first.record().epochs);
      assertThat(each.record().ends).isEqualTo(first.record().ends);
      assertThat(each.bits()).isEqualTo(first.bits());
    }
    return first;
  }

  private static void assertClose(Trained actual, Trained expected) {
    assertThat(actual.calls()).isEqualTo(expected.calls());
    assertThat(actual.state()).containsOnlyKeys(expected.state().keySet());
    actual
        .state()
        .forEach(
            (name, tensor) ->
                Precision.FLOAT32.assertClose(name, tensor, expected.state().get(name)));
  }

  private static TrainingListener afterStep(long when, Runnable action) {
    return new TrainingListener() {
      @Override
      public void onStep(long step, StepResult result) {
        if (step == when) {
          action.run();
        }
      }
    };
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void run_severalRanks_trainsAsOneProcess(int size) throws Exception {
    Trained together = same(trainAll(size, Change.NONE));
    Trained one = alone(Change.NONE);
    assertClose(together, one);
    for (int i = 0; i < EPOCHS; i++) {
      EpochSummary actual = together.record().epochs.get(i);
      EpochSummary expected = one.record().epochs.get(i);
      assertThat(actual.loss()).isCloseTo(expected.loss(), within(1e-4));
      assertThat(actual.accuracy()).isEqualTo(expected.accuracy());
    }
  }

  @Test
  void evaluate_severalRanks_isDoneByRank0AndDecidesForAll() throws Exception {
    double[] scores = {0.3, Double.NaN, 0.1 + 0.2, 0.25};
    List<AtomicInteger> evaluations = List.of(new AtomicInteger(), new AtomicInteger());
    Trained together =
        same(
            trainAll(
                2,
                (rank, training, trainer) ->
                    trainer
                        .evaluate(() -> scores[evaluations.get(rank).getAndIncrement()])
                        .patience(1)
                        .keep(files(rank))));
    assertThat(together.calls()).endsWith("epoch 1", "end STOPPED_EARLY");
    assertThat(together.record().epochs.get(0).score()).hasValue(0.3);
    assertThat(together.record().epochs.get(1).score()).hasValue(Double.NaN);
    assertThat(evaluations.get(0)).hasValue(2);
    assertThat(evaluations.get(1)).hasValue(0);
    assertThat(folder.resolve("files").resolve("best.pt")).isNotEmptyFile();
  }

  @Test
  void keep_severalRanks_isWrittenAndToldOfByRank0() throws Exception {
    List<Trained> all =
        trainAll(
            2,
            (rank, training, trainer) ->
                trainer
                    .keep(files(rank))
                    .checkpointEveryEpochs(EPOCHS)
                    .checkpointEvery(Duration.ofNanos(1)));
    same(all);
    assertThat(all.get(0).record().checkpoints).startsWith("0:1", "0:2").endsWith("4:0");
    assertThat(all.get(1).record().checkpoints).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void stop_onOneRank_stopsAllAndResumesOnAnyNumber(boolean interrupts) throws Exception {
    Change keeping =
        (rank, training, trainer) ->
            trainer.keep(files(rank)).checkpointEveryEpochs(EPOCHS).resume();
    Trained straight = same(trainAll(2, Change.NONE));

    List<Trained> stopped = stopAfter(5, interrupts, keeping);
    assertThat(same(stopped).calls()).endsWith("step 5", "end STOPPED");
    assertThat(stopped.get(0).record().ends.get(0).end()).isEqualTo(End.STOPPED);
    Path checkpoint = folder.resolve("files").resolve("last.checkpoint");
    assertThat(TrainingRecord.position(checkpoint)).isEqualTo("1:2");
    byte[] content = Files.readAllBytes(checkpoint);

    Trained resumed = same(trainAll(2, keeping));
    assertThat(resumed.calls()).startsWith("start 5 of 12", "step 6");
    assertThat(resumed.bits()).isEqualTo(straight.bits());

    for (int size : new int[] {1, 3}) {
      Files.write(checkpoint, content);
      Trained other = size == 1 ? alone(keeping) : same(trainAll(size, keeping));
      assertClose(other, resumed);
    }
  }

  /** Trains until the trainer of rank 1 is told to stop. */
  private static List<Trained> stopAfter(long step, boolean interrupts, Change change)
      throws Exception {
    return RankThreads.run(
        2,
        ranks -> {
          Trainer[] own = new Trainer[1];
          TrainingRecord record = new TrainingRecord();
          try (SharedTraining training = SharedTraining.of(ranks)) {
            Trainer.Builder builder = training.trainer(EPOCHS).listener(record);
            builder.listener(
                afterStep(
                    step,
                    () -> {
                      if (ranks.rank() == 1 && interrupts) {
                        Thread.currentThread().interrupt();
                      } else if (ranks.rank() == 1) {
                        own[0].stop();
                      }
                    }));
            own[0] = change.of(ranks.rank(), training, builder).build();
            own[0].run();
            assertThat(Thread.interrupted()).isEqualTo(ranks.rank() == 1 && interrupts);
            return new Trained(record, training.state(), training.bits(), null);
          }
        });
  }

  @Test
  void stop_beforeRunOnOneRank_doesNoStepOnAny() throws Exception {
    List<TrainingSummary> summaries =
        RankThreads.run(
            2,
            ranks -> {
              try (SharedTraining training = SharedTraining.of(ranks)) {
                Trainer trainer = training.trainer(EPOCHS).build();
                if (ranks.rank() == 1) {
                  trainer.stop();
                }
                return TrainingRecord.timeless(trainer.run());
              }
            });
    assertThat(summaries).allMatch(summary -> summary.end() == End.STOPPED);
    assertThat(summaries).allMatch(summary -> summary.steps() == 0);
  }

  /** What goes wrong on one rank, in the middle of the training. */
  enum Fault {
    LISTENER(1, IllegalStateException.class, "of the test"),
    LISTENER_OF_FIRST(0, IllegalStateException.class, "of the test"),
    LISTENER_AT_START(1, IllegalStateException.class, "of the test"),
    BATCH(1, IllegalStateException.class, "of the test"),
    BATCH_THAT_DOES_NOT_FIT(1, IllegalArgumentException.class, "images must hold"),
    LABEL(1, RuntimeException.class, "labels must be"),
    EVALUATION(0, IllegalStateException.class, "of the test"),
    WRITING(0, FileException.class, "StepCheckpoint.write"),
    FOLDER(0, FileException.class, "folder must be"),
    CLOSED_STEP(1, IllegalStateException.class, "object must be open");

    private final int rank;
    private final Class<?> type;
    private final String message;

    Fault(int rank, Class<?> type, String message) {
      this.rank = rank;
      this.type = type;
      this.message = message;
    }
  }

  @ParameterizedTest
  @EnumSource
  void run_failsOnOneRank_failsOnAllAtOnce(Fault fault) throws Exception {
    CyclicBarrier atEnd = new CyclicBarrier(3); // so that no rank is closed before
    List<Throwable> failures =
        RankThreads.run(
            3,
            ranks -> {
              List<End> ends = new ArrayList<>();
              TrainingListener ending =
                  new TrainingListener() {
                    @Override
                    public void onEnd(TrainingSummary summary) {
                      ends.add(summary.end());
                    }
                  };
              try (SharedTraining training = SharedTraining.of(ranks)) {
                Trainer.Builder trainer = trainer(training, fault, ranks.rank() == fault.rank);
                Path files = ranks.isFirst() ? folder.resolve("files") : NOWHERE;
                if (ranks.isFirst() && fault == Fault.FOLDER) {
                  Files.createFile(files);
                }
                trainer.keep(files).checkpointEverySteps(1).listener(ending);
                Throwable failure = catchThrowable(trainer.build()::run);
                atEnd.await();
                // The folder is found to be wrong before the training begins.
                assertThat(ends).isEqualTo(fault == Fault.FOLDER ? List.of() : List.of(End.FAILED));
                return failure;
              }
            });
    for (int rank = 0; rank < failures.size(); rank++) {
      if (rank == fault.rank) {
        assertThat(failures.get(rank))
            .isInstanceOf(fault.type)
            .hasMessageContaining(fault.message)
            .isNotInstanceOf(RankException.class);
      } else {
        assertThat(failures.get(rank))
            .isInstanceOf(RankException.class)
            .hasMessageContaining("rank " + fault.rank + " ");
        if (fault != Fault.CLOSED_STEP) { // of which the step has told
          assertThat(failures.get(rank))
              .hasMessageStartingWith("Ranks: rank " + fault.rank + " has failed: ")
              .hasMessageContaining(fault.message);
        }
      }
    }
  }

  private Trainer.Builder trainer(SharedTraining training, Fault fault, boolean here) {
    AtomicInteger read = new AtomicInteger();
    ForwardingBatches batches =
        new ForwardingBatches(training.batches) {
          @Override
          public Batch next() {
            Batch batch = super.next();
            if (here && read.incrementAndGet() == 3) {
              switch (fault) {
                case BATCH -> throw new IllegalStateException("of the test");
                case BATCH_THAT_DOES_NOT_FIT -> {
                  return Batch.allocate(1, 3, 5, 5);
                }
                case LABEL -> batch.labels().put(0, 10);
                case CLOSED_STEP -> training.step.close();
                default -> {}
              }
            }
            return batch;
          }
        };
    return Trainer.builder(training.step, batches)
        .epochs(EPOCHS)
        .evaluate(
            () -> {
              if (fault == Fault.EVALUATION) {
                throw new IllegalStateException("of the test");
              }
              return 0;
            })
        .listener(
            new TrainingListener() {
              @Override
              public void onStart(long done, long steps) {
                failIf(fault == Fault.LISTENER_AT_START);
              }

              @Override
              public void onStep(long step, StepResult result) {
                failIf(step == 4 && (fault == Fault.LISTENER || fault == Fault.LISTENER_OF_FIRST));
                if (here && step == 4 && fault == Fault.WRITING) {
                  replaceByFile(folder.resolve("files"));
                }
              }

              private void failIf(boolean fails) {
                if (here && fails) {
                  throw new IllegalStateException("of the test");
                }
              }
            });
  }

  private static void replaceByFile(Path files) {
    try {
      Files.move(files, files.resolveSibling("moved"));
      Files.createFile(files);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** What one rank has that the others have not. */
  enum Difference {
    EPOCHS("epochs must be the same on all ranks (got 4 on rank 0 and 5 on rank 1)"),
    BATCHES("fingerprint of batches must be the same on all ranks (got "),
    EVALUATION("evaluation must be the same on all ranks (got false on rank 0 and true on rank 1)"),
    CHECKPOINTS("checkpoints must be the same on all ranks (got none on rank 0 and every ");

    private final String message;

    Difference(String message) {
      this.message = message;
    }
  }

  @ParameterizedTest
  @EnumSource
  void run_otherOptionsOnOneRank_isRefusedOnAll(Difference difference) throws Exception {
    List<Throwable> failures =
        RankThreads.run(
            2,
            ranks -> {
              boolean differs = ranks.rank() == 1;
              long seed = differs && difference == Difference.BATCHES ? 4 : 3;
              try (SharedTraining training = SharedTraining.of(ranks, ScalarType.Float, seed)) {
                Trainer.Builder trainer = training.trainer(EPOCHS);
                if (differs) {
                  switch (difference) {
                    case EPOCHS -> trainer.epochs(EPOCHS + 1);
                    case EVALUATION -> trainer.evaluate(() -> 0);
                    case CHECKPOINTS -> trainer.keep(NOWHERE);
                    default -> {}
                  }
                }
                return catchThrowable(trainer.build()::run);
              }
            });
    assertThat(failures)
        .allSatisfy(
            failure ->
                assertThat(failure)
                    .isInstanceOf(RankException.class)
                    .hasMessageContaining("Trainer.run: " + difference.message));
  }

  @Test
  void run_severalRanks_logOnlyOnRank0() throws Exception {
    Logger log = (Logger) LoggerFactory.getLogger(Trainer.class);
    ListAppender<ILoggingEvent> lines = new ListAppender<>();
    Level level = log.getLevel();
    log.setLevel(Level.INFO);
    log.setAdditive(false);
    log.addAppender(lines);
    lines.start();
    try {
      same(trainAll(2, Change.NONE));
    } finally {
      log.detachAppender(lines);
      log.setAdditive(true);
      log.setLevel(level);
    }
    assertThat(lines.list).hasSize(1 + EPOCHS + 1);
  }

  @Test
  void run_processIsGone_endsTheOthersWhichResume() throws Exception {
    Path files = folder.resolve("files");
    List<ChildJvm> children = start("killed", files, 5);
    try (ChildJvm survivor = children.get(0);
        ChildJvm killed = children.get(1)) {
      assertThat(killed.await()).isEqualTo(KilledAfter.STATUS);
      assertThat(survivor.await()).as(survivor.output()).isZero();
      assertThat(survivor.output()).contains("ended by RankException: Ranks: ");
      assertThat(survivor.jniComplaints()).isEmpty();
    }
    Path checkpoint = files.resolve("last.checkpoint");
    assertThat(TrainingRecord.position(checkpoint)).isEqualTo("1:1");

    children = start("resumed", files, Long.MAX_VALUE);
    try (ChildJvm first = children.get(0);
        ChildJvm second = children.get(1)) {
      for (ChildJvm child : List.of(first, second)) {
        assertThat(child.await()).as(child.output()).isZero();
        assertThat(child.output()).contains("start 4 of 12").contains("trained FINISHED");
        assertThat(child.jniComplaints()).isEmpty();
      }
    }
    Trained one = alone(Change.NONE);
    try (SharedTraining resumed = SharedTraining.of(null)) {
      resumed.step.load(checkpoint);
      resumed
          .state()
          .forEach(
              (name, tensor) -> Precision.FLOAT32.assertClose(name, tensor, one.state().get(name)));
    }
  }

  /** Starts two processes, the second of which ends suddenly after a step. */
  private List<ChildJvm> start(String name, Path files, long lastStep) throws IOException {
    int port = RankThreads.freePort();
    List<ChildJvm> children = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      children.add(
          ChildJvm.start(
              Files.createDirectory(folder.resolve(name + rank)),
              RankThreads.environment(rank, 2, port),
              List.of(),
              KilledAfter.class,
              (rank == 0 ? files : NOWHERE).toString(),
              Long.toString(rank == 0 ? Long.MAX_VALUE : lastStep)));
    }
    return children;
  }

  /** Trains with checkpoints after each step. */
  static final class KilledAfter {
    static final int STATUS = 42;

    private KilledAfter() {}

    /** Takes the folder, and the step after which the process is gone. */
    public static void main(String[] arguments) {
      try (Ranks ranks = Ranks.fromEnvironment();
          SharedTraining training = SharedTraining.of(ranks)) {
        TrainingRecord record = new TrainingRecord();
        Trainer trainer =
            training
                .trainer(EPOCHS)
                .keep(Path.of(arguments[0]))
                .checkpointEverySteps(1)
                .resume()
                .listener(record)
                .listener(
                    afterStep(
                        Long.parseLong(arguments[1]), () -> Runtime.getRuntime().halt(STATUS)))
                .build();
        System.out.println("trained " + trainer.run().end() + " " + record.calls.get(0));
      } catch (RankException error) {
        System.out.println("ended by RankException: " + error.getMessage());
      }
    }
  }
}
