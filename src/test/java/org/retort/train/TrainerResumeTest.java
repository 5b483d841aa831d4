package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertFails;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
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
              .keep(training.student, files)
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
                .stopAfter(2)
                .keep(training.student, folder)
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
        training.trainer(1).keep(training.student, folder).listener(record).build().run();
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
      training.trainer(1).keep(training.student, folder).build().run();
      assertRefused(
          training,
          DatasetBatches.builder(Digits.load().train()).size(1000).build(),
          "of batches with 1 steps per epoch (got 3)");
    }
  }

  private void assertRefused(DigitTraining training, Batches batches, String rule) {
    Trainer trainer =
        Trainer.builder(training.step, batches)
            .epochs(1)
            .keep(training.student, folder)
            .resume()
            .build();
    assertFails(
        trainer::run,
        FileException.class,
        "Trainer.run: " + folder.resolve("last.checkpoint") + " must be a checkpoint " + rule);
  }
}
