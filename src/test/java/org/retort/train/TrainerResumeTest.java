package org.retort.train;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertFails;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.FileException;
import org.retort.data.Batches;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.train.TrainingSummary.End;

final class TrainerResumeTest {
  private static final int EPOCHS = 3;

  @TempDir private Path folder;

  /** What a training leaves. */
  private record Outcome(
      Map<String, ByteBuffer> state,
      List<List<Double>> steps,
      List<EpochSummary> epochs,
      TrainingSummary summary,
      ByteBuffer best,
      ByteBuffer last,
      ByteBuffer checkpoint) {}

  /** Trains up to a step, in what remains of an earlier run if there was one. */
  private Outcome train(String name, long seed, int epochs, long lastStep, TrainingRecord record)
      throws IOException {
    Path files = folder.resolve(name);
    try (DigitTraining training = new DigitTraining(seed)) {
      Trainer.Builder builder =
          training
              .trainer(epochs)
              .evaluate(training::accuracy)
              .keep(files)
              .resume()
              .listener(record);
      Trainer[] trainer = new Trainer[1];
      builder.listener(
          new TrainingListener() {
            @Override
            public void onStep(long step, StepResult result) {
              if (step == lastStep) {
                trainer[0].stop();
              }
            }
          });
      trainer[0] = builder.build();
      TrainingSummary summary = TrainingRecord.timeless(trainer[0].run());
      return new Outcome(
          training.state(),
          record.steps,
          record.epochs,
          summary,
          bytes(files.resolve("best.pt")),
          bytes(files.resolve("last.pt")),
          bytes(files.resolve("last.checkpoint")));
    }
  }

  private static ByteBuffer bytes(Path file) throws IOException {
    return ByteBuffer.wrap(Files.exists(file) ? Files.readAllBytes(file) : new byte[0]);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 6, 8, 9})
  void resume_afterAnyStep_isAsIfItHadNeverStopped(long lastStep) throws IOException {
    Outcome straight = train("straight", 2, EPOCHS, -1, new TrainingRecord());
    TrainingRecord record = new TrainingRecord();
    Outcome first = train("stopped", 2, EPOCHS, lastStep, record);
    assertThat(first.summary.end()).isEqualTo(End.STOPPED);
    assertThat(first.summary.steps()).isEqualTo(lastStep);

    // Parameters and random numbers of another seed: all of it has to come from the checkpoint.
    assertThat(train("stopped", 7, EPOCHS, -1, record)).isEqualTo(straight);
    assertThat(straight.summary.end()).isEqualTo(End.FINISHED);
    assertThat(straight.steps).hasSize(EPOCHS * DigitTraining.STEPS).doesNotHaveDuplicates();
  }

  /** Copies what a process that is killed would leave, whenever a checkpoint has been written. */
  private final class Copies implements TrainingListener {
    private final List<Path> folders = new ArrayList<>();

    @Override
    public void onCheckpoint(Path file) {
      Path copy = folder.resolve("copy" + folders.size());
      folders.add(copy);
      try (Stream<Path> files = Files.list(file.getParent())) {
        Files.createDirectory(copy);
        for (Path each : files.toList()) {
          Files.copy(each, copy.resolve(each.getFileName()));
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void resume_fromAnyCheckpoint_isAsIfItHadNeverStopped(boolean late) {
    Copies copies = new Copies();
    TrainingRecord straight = new TrainingRecord();
    Map<String, ByteBuffer> state = trainOften("straight", 2, late, straight, copies);
    // Before and after each evaluation, and wherever else a number of steps is even.
    assertThat(straight.checkpoints)
        .containsExactly("0:2", "0:3", "1:0", "1:1", "1:3", "2:0", "2:2", "2:3", "3:0");
    assertThat(copies.folders).hasSameSizeAs(straight.checkpoints);
    for (int i = 0; i < copies.folders.size(); i++) {
      TrainingRecord resumed = new TrainingRecord();
      assertThat(trainOften("copy" + i, 7, late, resumed, new TrainingListener() {}))
          .as(straight.checkpoints.get(i))
          .isEqualTo(state);
      String[] position = straight.checkpoints.get(i).split(":");
      int epochs = Integer.parseInt(position[0]);
      int steps = epochs * DigitTraining.STEPS + Integer.parseInt(position[1]);
      // What was left of steps and evaluations came once.
      assertThat(resumed.steps).isEqualTo(straight.steps.subList(steps, straight.steps.size()));
      assertThat(resumed.epochs).isEqualTo(straight.epochs.subList(epochs, EPOCHS));
      assertThat(resumed.ends).isEqualTo(straight.ends);
      for (String file : List.of("best.pt", "last.pt", "last.checkpoint")) {
        assertThat(copies.folders.get(i).resolve(file))
            .hasSameBinaryContentAs(folder.resolve("straight").resolve(file));
      }
    }
  }

  /** Trains to the end with many checkpoints; returns the state. */
  private Map<String, ByteBuffer> trainOften(
      String name, long seed, boolean late, TrainingRecord record, TrainingListener listener) {
    try (DigitTraining training = new DigitTraining(seed, builder -> builder.lateResults(late))) {
      training
          .trainer(EPOCHS)
          .evaluate(training::accuracy)
          .checkpointEverySteps(2)
          .keep(folder.resolve(name))
          .resume()
          .listener(record)
          .listener(listener)
          .build()
          .run();
      return training.state();
    }
  }

  @Test
  void resume_evaluationThatFailed_losesNothing() throws IOException {
    Outcome straight = train("straight", 2, EPOCHS, -1, new TrainingRecord());
    try (DigitTraining training = new DigitTraining(2)) {
      Iterator<Double> scores = List.of(straight.epochs.get(0).score().getAsDouble()).iterator();
      Trainer failing =
          training
              .trainer(EPOCHS)
              .evaluate(scores::next)
              .checkpointEveryEpochs(9)
              .keep(folder.resolve("failed"))
              .build();
      assertThatThrownBy(failing::run).isInstanceOf(NoSuchElementException.class);
    }
    TrainingRecord record = new TrainingRecord();
    Outcome resumed = train("failed", 7, EPOCHS, -1, record);
    assertThat(record.calls).startsWith("start 6 of 9", "epoch 1", "step 7");
    assertThat(resumed.state).isEqualTo(straight.state);
    assertThat(resumed.checkpoint).isEqualTo(straight.checkpoint);
  }

  @Test
  void resume_stoppedAtEveryStep_isAsIfItHadNeverStopped() throws IOException {
    Outcome straight = train("straight", 2, EPOCHS, -1, new TrainingRecord());
    TrainingRecord record = new TrainingRecord();
    for (int step = 1; step <= EPOCHS * DigitTraining.STEPS; step++) {
      train("stopped", step + 1, EPOCHS, step, record);
    }
    assertThat(train("stopped", 1, EPOCHS, -1, record)).isEqualTo(straight);
  }

  @Test
  void resume_finishedTraining_doesNothing() throws IOException {
    Outcome finished = train("files", 2, EPOCHS, -1, new TrainingRecord());
    TrainingRecord record = new TrainingRecord();
    Outcome again = train("files", 7, EPOCHS, -1, record);
    assertThat(record.calls).containsExactly("start 9 of 9", "end FINISHED");
    assertThat(again.summary).isEqualTo(finished.summary);
    assertThat(again.state).isEqualTo(finished.state);
  }

  @Test
  void resume_moreEpochs_goesOn() throws IOException {
    Outcome straight = train("straight", 2, EPOCHS, -1, new TrainingRecord());
    TrainingRecord record = new TrainingRecord();
    train("extended", 2, 1, -1, record);
    assertThat(train("extended", 7, EPOCHS, -1, record)).isEqualTo(straight);
    assertThat(record.calls).contains("end FINISHED", "start 3 of 9");
  }

  @Test
  void resume_stoppedEarly_doesNothing() {
    TrainingRecord record = new TrainingRecord();
    for (int run = 0; run < 2; run++) {
      try (DigitTraining training = new DigitTraining(run)) {
        TrainingSummary summary =
            training
                .trainer(9)
                .evaluate(() -> 0.5)
                .patience(2)
                .keep(folder)
                .resume()
                .listener(record)
                .build()
                .run();
        assertThat(summary.end()).isEqualTo(End.STOPPED_EARLY);
        assertThat(summary.epochs()).isEqualTo(3);
        assertThat(summary.bestEpoch()).hasValue(0);
      }
    }
    assertThat(record.epochs).hasSize(3);
  }

  @Test
  void run_withoutResume_beginsAnew() {
    for (int run = 0; run < 2; run++) {
      TrainingRecord record = new TrainingRecord();
      try (DigitTraining training = new DigitTraining(2)) {
        training.trainer(1).keep(folder).listener(record).build().run();
      }
      assertThat(record.calls).startsWith("start 0 of 3", "step 1");
    }
  }

  @Test
  void resume_checkpointOfSomethingElse_isRefused() {
    Path file = folder.resolve("last.checkpoint");
    try (DigitTraining training = new DigitTraining(2)) {
      training.step.save(file);
      assertRefused(training, DigitTraining.batches(), "of a trainer (got no note)");
      training.step.save(file, "epoch=3");
      assertRefused(training, DigitTraining.batches(), "of a trainer (got another note)");
      training.step.save(file, "retort.trainer=1\nstepsPerEpoch=3\nepoch=0");
      assertRefused(
          training, DigitTraining.batches(), "of a trainer (got a note without all numbers)");
      training.trainer(1).keep(folder).build().run();
      assertRefused(
          training,
          DatasetBatches.builder(Digits.load().train()).size(1000).build(),
          "of batches with 1 steps per epoch (got 3)");
    }
  }

  @Test
  void resume_batchesOfAnotherFingerprint_isRefused() {
    TrainingRecord record = new TrainingRecord();
    runWith(0, record); // as a note that is older than fingerprints
    runWith(0xabc, record);
    runWith(0xabc, record);
    for (long other : new long[] {0xdef, 0}) {
      assertFails(
          () -> runWith(other, record),
          FileException.class,
          "Trainer.run: "
              + folder.resolve("last.checkpoint")
              + " must be a checkpoint of batches with these data, labels, seed, size and"
              + " augmentation, whose fingerprint is "
              + Long.toHexString(other)
              + " (got abc)");
    }
    assertThat(record.calls)
        .containsExactly(
            "start 0 of 3",
            "step 1",
            "end STOPPED",
            "start 1 of 3",
            "step 2",
            "end STOPPED",
            "start 2 of 3",
            "step 3",
            "end STOPPED");
  }

  @Test
  void resume_noteOlderThanFingerprints_isAccepted() {
    try (DigitTraining training = new DigitTraining(2)) {
      String zeros =
          String.join(
              "\n",
              "epoch=0",
              "step=0",
              "skipped=0",
              "loss=0.0",
              "correct=0",
              "labeled=0",
              "learningRate=0.0",
              "bestScore=-Infinity",
              "bestEpoch=-1",
              "sinceBest=0");
      training.step.save(
          folder.resolve("last.checkpoint"), "retort.trainer=1\nstepsPerEpoch=3\n" + zeros);
    }
    runWith(0xabc, new TrainingRecord());
    assertThat(folder.resolve("last.checkpoint")).content(ISO_8859_1).contains("\nbatches=2748\n");
  }

  /** Resumes for one step with batches of a fingerprint. */
  private void runWith(long fingerprint, TrainingRecord record) {
    Batches batches = DigitTraining.batches();
    Batches known =
        new ForwardingBatches(batches) {
          @Override
          public long fingerprint() {
            return fingerprint;
          }
        };
    try (DigitTraining training = new DigitTraining(2)) {
      Trainer[] trainer = new Trainer[1];
      trainer[0] =
          Trainer.builder(training.step, known)
              .epochs(1)
              .keep(folder)
              .resume()
              .listener(record)
              .listener(
                  new TrainingListener() {
                    @Override
                    public void onStep(long step, StepResult result) {
                      trainer[0].stop();
                    }
                  })
              .build();
      trainer[0].run();
    }
  }

  private void assertRefused(DigitTraining training, Batches batches, String rule) {
    Trainer trainer =
        Trainer.builder(training.step, batches).epochs(1).keep(folder).resume().build();
    assertFails(
        trainer::run,
        FileException.class,
        "Trainer.run: " + folder.resolve("last.checkpoint") + " must be a checkpoint " + rule);
  }
}
