package org.retort.fuzz;

import java.io.ByteArrayInputStream;
import java.nio.file.Path;
import org.bytedeco.pytorch.global.torch;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Program;
import org.retort.train.FileAccess;
import org.retort.train.StepInput;
import org.retort.train.StoredOutputs;
import org.retort.train.StoredOutputsFormat;
import org.retort.train.StoredOutputsWriter;
import org.retort.train.Teacher;
import org.retort.train.TrainingStep;

/** Writes and reads files of every kind, of networks that are the same in every run. */
final class FileFixtures implements AutoCloseable {
  private static final int CLASSES = 3;

  private final Network student;
  private final Network teacher;
  private final TrainingStep step;

  FileFixtures(Path folder) {
    Path program =
        Program.linear(CLASSES)
            .parameter("bias", torch.ones(CLASSES))
            .save(
                folder.resolve("program.ts"),
                "return torch.linear(x.flatten(1), self.weight, self.bias), [x]");
    student = TorchScriptNetwork.load(program);
    teacher = TorchScriptNetwork.load(program);
    step = TrainingStep.builder(student).inputShape(3, 2, 2).build();
  }

  /** Writes a whole file. */
  void write(FileKind kind, Path file) {
    switch (kind) {
      case STATE_DICT -> student.saveStateDict(file);
      case CHECKPOINT -> step.save(file);
      case STORED_OUTPUTS -> writeOutputs(file);
      case TEACHER_CACHE -> runWithCache(file);
    }
  }

  /** Reads a file; a teacher's cache is also written where it lacks what is read. */
  void read(FileKind kind, Path file) {
    switch (kind) {
      case STATE_DICT -> student.loadStateDict(file);
      case CHECKPOINT -> step.load(file);
      case STORED_OUTPUTS -> readAll(StoredOutputs.open(file, FileAccess.MAPPED));
      case TEACHER_CACHE -> runWithCache(file);
    }
  }

  /** Reads what a file holds from memory; not a teacher's cache, which must be a file. */
  void read(FileKind kind, byte[] content) {
    switch (kind) {
      case STATE_DICT -> student.loadStateDict(content);
      case CHECKPOINT -> step.load(new ByteArrayInputStream(content));
      case STORED_OUTPUTS -> readAll(StoredOutputs.open(content));
      case TEACHER_CACHE -> throw new IllegalArgumentException("TEACHER_CACHE");
    }
  }

  private static void writeOutputs(Path file) {
    StoredOutputsFormat format =
        StoredOutputsFormat.of(4, CLASSES).withTap("0", 2).withTop(1).withNote("teacher");
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, format)) {
      writer.write(new long[] {0, 3}, new float[] {1, 2, 3, 6, 5, 4}, new float[] {1, 2, 3, 4});
      writer.finish();
    }
  }

  private static void readAll(StoredOutputs outputs) {
    try (outputs) {
      outputs.missing();
    }
  }

  private void runWithCache(Path file) {
    try (TrainingStep cached =
        TrainingStep.builder(student, Teacher.of(teacher).withCache(4, file))
            .inputShape(3, 2, 2)
            .add(1, KdLoss.of(4))
            .build()) {
      float[] images = new float[2 * (int) Program.INPUTS];
      cached.run(
          StepInput.of(images, new long[2]).withIndices(new long[] {0, 3}), cached.newResult());
    }
  }

  @Override
  public void close() {
    step.close();
    teacher.close();
    student.close();
  }
}
