package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.ChildJvm;

/** A training that is killed at any moment, and resumed, ends with the bits of one run through. */
@Tag("soak")
final class KilledTrainingTest {
  private static final int KILLS = Integer.getInteger("retort.soak.kills", 2);
  private static final long SEED = Long.getLong("retort.soak.seed", 1);

  private static final int EPOCHS = 12;

  /** How long a process may train at most before it is killed. */
  private static final int MAX_MILLIS = 500;

  private static final List<String> FILES = List.of("best.pt", "last.pt", "last.checkpoint");

  @TempDir private Path folder;

  @Test
  void run_killedAtAnyMoment_endsWithTheBitsOfOneRunThrough() throws Exception {
    Path whole = folder.resolve("whole");
    Map<String, ByteBuffer> expected = stateAfter(whole);
    Random random = new Random(SEED);
    Path files = folder.resolve("killed");
    int kills = 0;
    while (kills < KILLS) {
      int before = kills;
      while (!runs(files, kills < KILLS ? random.nextInt(MAX_MILLIS) : Integer.MAX_VALUE)) {
        kills++;
        checkLeft(files, kills);
      }
      assertThat(stateAfter(files))
          .as("after %d kills, seed %d", kills - before, SEED)
          .isEqualTo(expected);
      for (String file : List.of("best.pt", "last.pt")) {
        assertThat(files.resolve(file)).hasSameBinaryContentAs(whole.resolve(file));
      }
      for (String file : FILES) {
        Files.delete(files.resolve(file));
      }
    }
  }

  /** Trains, or resumes, in a process that is killed after a while; returns whether it ended. */
  private boolean runs(Path files, int millis) throws IOException, InterruptedException {
    Path marker = folder.resolve("marker");
    Files.deleteIfExists(marker);
    try (ChildJvm child =
        ChildJvm.start(folder, Program.class, files.toString(), marker.toString())) {
      child.awaitFile(marker);
      if (!child.endsWithin(millis, TimeUnit.MILLISECONDS)) {
        child.signal("KILL");
      }
      int status = child.await();
      assertThat(status).as(child.output()).isIn(0, 137);
      return status == 0;
    }
  }

  /** A small disk is not filled by what killed processes leave. */
  private static void checkLeft(Path files, int kills) throws IOException {
    if (!Files.exists(files)) {
      return;
    }
    try (Stream<Path> all = Files.list(files)) {
      List<String> others =
          all.map(file -> file.getFileName().toString())
              .filter(name -> !FILES.contains(name) && !name.equals("probe.checkpoint"))
              .toList();
      assertThat(others)
          .as("after kill %d, seed %d", kills, SEED)
          .hasSizeLessThanOrEqualTo(2) // of a checkpoint and of the best student
          .allMatch(name -> name.matches("retort-[0-9a-f]+\\.tmp"));
    }
  }

  /** Trains what is left of a training, and returns all that it has changed. */
  private static Map<String, ByteBuffer> stateAfter(Path files) throws IOException {
    try (DigitTraining training = new DigitTraining(2)) {
      train(training, files);
      try (Stream<Path> left = Files.list(files)) {
        assertThat(left.map(file -> file.getFileName().toString()))
            .containsExactlyInAnyOrderElementsOf(FILES);
      }
      return training.state();
    }
  }

  private static void train(DigitTraining training, Path files) {
    training
        .trainer(EPOCHS)
        .evaluate(training::accuracy)
        .checkpointEverySteps(2)
        .keep(files)
        .resume()
        .build()
        .run();
  }

  /** What is killed. */
  static final class Program {
    private Program() {}

    /** Takes the folder, and the file that tells when the training begins. */
    public static void main(String[] args) throws IOException {
      try (DigitTraining training = new DigitTraining(2)) {
        Files.createFile(Path.of(args[1]));
        train(training, Path.of(args[0]));
      }
    }
  }
}
