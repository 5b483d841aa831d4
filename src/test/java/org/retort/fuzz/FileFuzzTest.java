package org.retort.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.function.Consumer;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.RetortException;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Program;
import org.retort.train.TrainingStep;

/**
 * Reads damaged files of every kind but TorchScript's, which are programs: they are read, or
 * refused with a named exception whose message is one line, and the process lives.
 */
final class FileFuzzTest {
  private static final int TRIES = Integer.getInteger("retort.fuzz.tries", 1000);
  private static final long SEED = Long.getLong("retort.fuzz.seed", 20261125);
  private static final int CLASSES = 3;

  private final Mutations mutations = new Mutations(new Random(SEED));
  @TempDir private Path folder;
  private Path program;
  private Path file;

  /** Damages a file. */
  private interface Mutation {
    byte[] of(byte[] file) throws IOException;
  }

  @BeforeEach
  void makeProgram() {
    file = folder.resolve("file");
    program =
        Program.linear(CLASSES)
            .parameter("bias", torch.ones(CLASSES))
            .save(
                folder.resolve("program.ts"),
                "return torch.linear(x.flatten(1), self.weight, self.bias), [x]");
  }

  @Test
  void loadStateDict_damagedFile_isRefusedByName() throws IOException {
    try (Network network = TorchScriptNetwork.load(program)) {
      network.saveStateDict(file);
      assertAnyIsReadOrRefused(mutations::of, network::loadStateDict);
    }
  }

  @Test
  void loadStateDict_damagedEntry_isRefusedByName() throws IOException {
    try (Network network = TorchScriptNetwork.load(program)) {
      Path archive = folder.resolve("archive");
      network.saveStateDict(archive);
      network.saveStateDict(file);
      assertAnyIsReadOrRefused(whole -> mutations.ofEntry(archive), network::loadStateDict);
    }
  }

  @Test
  void load_damagedCheckpoint_isRefusedByName() throws IOException {
    try (Network network = TorchScriptNetwork.load(program);
        TrainingStep step = TrainingStep.builder(network).inputShape(3, 2, 2).build()) {
      step.save(file);
      assertAnyIsReadOrRefused(mutations::of, step::load);
    }
  }

  @Test
  void cacheTeacher_damagedFile_isComputedAnewOrRefusedByName() throws IOException {
    try (Network student = TorchScriptNetwork.load(program);
        Network teacher = TorchScriptNetwork.load(program)) {
      Consumer<Path> use = cache -> runWithCache(student, teacher, cache);
      use.accept(file);
      assertAnyIsReadOrRefused(mutations::of, use);
    }
  }

  private static void runWithCache(Network student, Network teacher, Path cache) {
    try (TrainingStep step =
        TrainingStep.builder(student, teacher)
            .inputShape(3, 2, 2)
            .add(1, KdLoss.withTemperature(4))
            .cacheTeacher(4, cache)
            .build()) {
      float[] images = new float[2 * (int) Program.INPUTS];
      step.run(images, new long[2], new long[] {0, 3}, step.newResult());
    }
  }

  private void assertAnyIsReadOrRefused(Mutation mutation, Consumer<Path> reader)
      throws IOException {
    byte[] whole = Files.readAllBytes(file);
    int refused = 0;
    for (int i = 0; i < TRIES; i++) {
      Files.write(file, mutation.of(whole));
      try {
        reader.accept(file);
      } catch (RetortException error) {
        assertThat(error.getMessage()).isNotBlank().hasLineCount(1).doesNotContain("frame #");
        refused++;
      }
    }
    assertThat(refused).isPositive();
    Files.write(file, whole);
    reader.accept(file);
  }
}
