package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertUnusable;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.losses.KdLoss;
import org.retort.testing.ChildJvm;
import org.retort.testing.Failures;
import org.retort.testing.Streams;
import org.retort.testing.Threads;

final class CheckpointTest {
  private static final int STEPS = 3;

  @TempDir private Path folder;

  /** Goes on from the first checkpoint and writes the second. */
  public static final class Continuation {
    private Continuation() {}

    public static void main(String[] files) {
      try (SmallStep small = new SmallStep()) {
        small.step.load(Path.of(files[0]));
        small.runSteps(STEPS);
        small.step.save(Path.of(files[1]));
      }
    }
  }

  @Test
  void load_inANewStep_goesOnBitForBit() {
    Path file = folder.resolve("step");
    try (SmallStep first = new SmallStep();
        SmallStep second = new SmallStep()) {
      first.runSteps(STEPS);
      first.step.save(file);
      second.step.load(file);

      assertThat(second.step.steps()).isEqualTo(STEPS);
      assertThat(second.stateAfter(STEPS)).isEqualTo(first.stateAfter(STEPS));
      assertThat(second.numbers()).isEqualTo(first.numbers());
    }
  }

  @Test
  void load_inANewProcess_goesOnBitForBit() throws Exception {
    Path before = folder.resolve("before");
    Path after = folder.resolve("after");
    try (SmallStep here = new SmallStep();
        SmallStep there = new SmallStep()) {
      here.runSteps(STEPS);
      here.step.save(before);
      try (ChildJvm child =
          ChildJvm.start(folder, Continuation.class, before.toString(), after.toString())) {
        assertThat(child.await()).as(child.output()).isZero();
      }
      there.step.load(after);
      assertThat(there.state()).isEqualTo(here.stateAfter(STEPS));
    }
  }

  @Test
  void load_inALaterStage_goesOnThere() {
    Path file = folder.resolve("step");
    try (LinearStep first = twoStages();
        LinearStep second = twoStages()) {
      first.change(STEPS, LinearStep.WEIGHT);
      first.step.save(file);
      second.step.load(file);

      assertThat(second.step.stage()).isEqualTo(1);
      assertThat(second.change(STEPS, LinearStep.WEIGHT))
          .isEqualTo(first.change(STEPS, LinearStep.WEIGHT));
    }
  }

  private LinearStep twoStages() {
    return new LinearStep(
        folder,
        builder ->
            builder
                .stages(
                    Stage.of(Sgd.of(0.1)).add(1, KdLoss.of(4)).withSteps(1), Stage.of(Adam.of(0.1)))
                .accumulate(2));
  }

  @Test
  void load_fileThatIsNone_isRefusedAndChangesNothing() throws IOException {
    Path file = folder.resolve("step");
    try (SmallStep small = new SmallStep()) {
      small.runSteps(STEPS);
      small.step.save(file);
      byte[] whole = Files.readAllBytes(file);
      small.run();

      assertRefused(small, folder.resolve("nothing"));
      assertRefused(small, folder);
      assertRefused(small, write("empty", new byte[0]));
      assertRefused(small, write("cut", Arrays.copyOf(whole, whole.length - 9)));
      for (int place : new int[] {0, whole.length / 2, whole.length - 1}) {
        byte[] damaged = whole.clone();
        damaged[place] ^= 4;
        assertRefused(small, write("damaged", damaged));
      }
    }
  }

  @Test
  void load_stepWithOtherOptions_isRefusedAndChangesNothing() {
    Path file = folder.resolve("step");
    try (SmallStep small = new SmallStep();
        TrainingStep other = SmallStep.builder(small.student, small.teacher).clipNorm(1).build()) {
      other.save(file);
      assertRefused(small, file);
    }
  }

  private Path write(String name, byte[] bytes) throws IOException {
    return Files.write(folder.resolve(name), bytes);
  }

  private static void assertRefused(SmallStep small, Path file) {
    Map<String, ByteBuffer> before = small.state();
    long steps = small.step.steps();
    assertThatThrownBy(() -> small.step.load(file))
        .isInstanceOf(FileException.class)
        .message()
        .isNotBlank()
        .hasLineCount(1);
    assertThat(small.state()).isEqualTo(before);
    assertThat(small.step.steps()).isEqualTo(steps);
  }

  @Test
  void load_stepWithOtherOptions_namesTheOption() {
    Path file = folder.resolve("step");
    try (SmallStep small = new SmallStep();
        TrainingStep warmer =
            TrainingStep.builder(small.student, small.teacher)
                .inputShape(SmallStep.SHAPE[0], SmallStep.SHAPE[1], SmallStep.SHAPE[2])
                .crossEntropy(0.1)
                .add(0.9, KdLoss.of(2))
                .optimizer(Sgd.of(0.05).withMomentum(0.9).withWeightDecay(5e-4))
                .build()) {
      small.step.save(file);
      Failures.assertFileRefused(
          () -> warmer.load(file),
          "TrainingStep.load: temperature of kd_loss of term 0 must be 2, as in this step (got 4 in "
              + file
              + ")");
    }
  }

  @Test
  void stream_inANewStep_goesOnBitForBit() {
    try (SmallStep first = new SmallStep();
        SmallStep second = new SmallStep();
        SmallStep third = new SmallStep()) {
      first.runSteps(STEPS);
      byte[] bytes = Streams.written(stream -> first.step.save(stream, "ä\u0000€"));
      assertThat(second.step.load(Streams.of(bytes))).isEqualTo("ä\u0000€");
      assertThat(third.step.load(bytes)).isEqualTo("ä\u0000€");
      Map<String, ByteBuffer> state = first.stateAfter(STEPS);
      assertThat(second.stateAfter(STEPS)).isEqualTo(state);
      assertThat(third.stateAfter(STEPS)).isEqualTo(state);
      assertThat(first.step.load(Streams.written(first.step::save))).isEmpty();
    }
  }

  @Test
  void stream_damagedOrBroken_isRefusedAndChangesNothing() {
    try (SmallStep small = new SmallStep()) {
      byte[] whole = Streams.written(small.step::save);
      small.runSteps(1);
      Map<String, ByteBuffer> before = small.state();
      for (int place : new int[] {0, 20, whole.length / 2, whole.length - 1}) {
        byte[] damaged = whole.clone();
        damaged[place] ^= 4;
        String rule = place == 0 ? "be a checkpoint of Retort" : "not be damaged";
        Failures.assertFileRefused(
            () -> small.step.load(Streams.of(damaged)),
            "TrainingStep.load: file must " + rule + " (got the stream)");
      }
      for (int size : new int[] {0, 8, 48, whole.length - 1, whole.length + 1}) {
        byte[] cut = Arrays.copyOf(whole, size);
        assertThatThrownBy(() -> small.step.load(cut))
            .isInstanceOf(FileException.class)
            .hasMessageContaining(size + " bytes");
      }
      Failures.assertFileRefused(
          () -> small.step.load(Streams.breaking(whole)),
          "TrainingStep.load: stream must be one that can be read (got java.io.IOException:"
              + " connection lost)");
      Failures.assertFileRefused(
          () -> small.step.save(Streams.full(1000), "note"),
          "TrainingStep.save: stream must be one that can be written (got java.io.IOException: no"
              + " space left)");
      assertThat(small.state()).isEqualTo(before);
    }
  }

  @Test
  void save_toAStreamThatBlocks_letsStepsRun() {
    try (SmallStep small = new SmallStep()) {
      small.step.save(Streams.after(small::run));
      assertThat(small.step.steps()).isPositive();
    }
  }

  @Test
  void save_whereNothingCanBeWritten_isRefused() {
    try (SmallStep small = new SmallStep()) {
      Path file = folder.resolve("nowhere").resolve("step");
      assertThatThrownBy(() -> small.step.save(file)).isInstanceOf(FileException.class);
      try (StepCheckpoint checkpoint = small.step.checkpoint("")) {
        assertThatThrownBy(() -> checkpoint.write(file)).isInstanceOf(FileException.class);
      }
    }
  }

  @Test
  void load_note_isTheOneThatWasSaved() {
    Path file = folder.resolve("step");
    try (SmallStep small = new SmallStep()) {
      small.step.save(file);
      assertThat(small.step.load(file)).isEmpty();
      for (String note : List.of("epoch=3", "", "ä€\u0000\uD83C\uDF77\n", "x".repeat(1 << 20))) {
        small.step.save(file, note);
        assertThat(small.step.load(file)).isEqualTo(note);
      }
    }
  }

  @Test
  void save_noteThatIsTooLong_isRefused() {
    try (SmallStep small = new SmallStep()) {
      Failures.assertRefused(
          () -> small.step.save(folder.resolve("step"), "ä".repeat(1 << 20)),
          "TrainingStep.save: note must be of at most 1048576 bytes (got 2097152)");
      Failures.assertRefused(
          () -> small.step.checkpoint("ä".repeat(1 << 20)),
          "TrainingStep.checkpoint: note must be of at most 1048576 bytes (got 2097152)");
      assertThat(folder).isEmptyDirectory();
    }
  }

  @Test
  void checkpoint_writtenLater_isOfTheMomentItWasTaken() {
    Path saved = folder.resolve("saved");
    Path student = folder.resolve("student");
    Path copy = folder.resolve("copy");
    Path studentOfCopy = folder.resolve("studentOfCopy");
    try (SmallStep small = new SmallStep()) {
      small.runSteps(STEPS);
      small.step.save(saved, "ä");
      small.student.saveStateDict(student);
      try (StepCheckpoint checkpoint = small.step.checkpoint("ä")) {
        small.runSteps(STEPS);
        checkpoint.write(copy);
        checkpoint.writeStudent(studentOfCopy);
      }
    }
    assertThat(copy).hasSameBinaryContentAs(saved);
    assertThat(studentOfCopy).hasSameBinaryContentAs(student);
  }

  @Test
  void checkpoint_writtenWhileStepsRun_disturbsNeither() throws Exception {
    Path file = folder.resolve("step");
    try (SmallStep small = new SmallStep();
        SmallStep alone = new SmallStep();
        StepCheckpoint checkpoint = small.step.checkpoint("")) {
      Threads.runAll(
          () -> small.runSteps(STEPS),
          () -> checkpoint.write(file),
          () -> checkpoint.writeStudent(folder.resolve("student")));
      assertThat(small.state()).isEqualTo(alone.stateAfter(STEPS));
      small.step.load(file);
      try (SmallStep fresh = new SmallStep()) {
        assertThat(small.state()).isEqualTo(fresh.state());
      }
    }
  }

  @Test
  void checkpoint_everythingElseClosed_isWritten() {
    Path file = folder.resolve("step");
    SmallStep small = new SmallStep();
    Map<String, ByteBuffer> state = small.stateAfter(STEPS);
    StepCheckpoint checkpoint = small.step.checkpoint("note");
    small.close();
    checkpoint.write(file);
    checkpoint.close();
    try (SmallStep other = new SmallStep()) {
      assertThat(other.step.load(file)).isEqualTo("note");
      assertThat(other.state()).isEqualTo(state);
    }
  }

  @Test
  void checkpoint_closed_refusesEverything() {
    try (SmallStep small = new SmallStep()) {
      StepCheckpoint checkpoint = small.step.checkpoint("");
      checkpoint.close();
      checkpoint.close();
      String message = "StepCheckpoint: object must be open (got a closed one)";
      assertUnusable(() -> checkpoint.write(folder.resolve("step")), message);
      assertUnusable(() -> checkpoint.writeStudent(folder.resolve("student")), message);
      assertThat(folder).isEmptyDirectory();
    }
  }

  @Test
  void file_null_isRejected() {
    try (SmallStep small = new SmallStep()) {
      assertIllegal(
          () -> small.step.save((Path) null, "note"),
          "TrainingStep.save: file must be given (got null)");
      assertIllegal(
          () -> small.step.save(folder.resolve("step"), null),
          "TrainingStep.save: note must be given (got null)");
      assertIllegal(
          () -> small.step.save((Path) null), "TrainingStep.save: file must be given (got null)");
      assertIllegal(
          () -> small.step.checkpoint(null),
          "TrainingStep.checkpoint: note must be given (got null)");
      try (StepCheckpoint checkpoint = small.step.checkpoint("")) {
        assertIllegal(
            () -> checkpoint.write(null), "StepCheckpoint.write: file must be given (got null)");
        assertIllegal(
            () -> checkpoint.writeStudent(null),
            "StepCheckpoint.writeStudent: file must be given (got null)");
      }
      assertIllegal(
          () -> small.step.load((Path) null), "TrainingStep.load: file must be given (got null)");
      assertIllegal(
          () -> small.step.save((OutputStream) null),
          "TrainingStep.save: stream must be given (got null)");
      assertIllegal(
          () -> small.step.load((InputStream) null),
          "TrainingStep.load: stream must be given (got null)");
      assertIllegal(
          () -> small.step.load((byte[]) null),
          "TrainingStep.load: bytes must be given (got null)");
    }
  }
}
