package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.data.Digits;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.ChildJvm;
import org.retort.testing.RankThreads;
import org.retort.train.TrainingSummary;

final class DistributedExampleTest {
  private static final int EPOCHS = 2;

  @TempDir private Path folder;

  @Test
  void train_twoProcessesAndThenOne_resumes() throws Exception {
    Path weights = folder.resolve("teacher.pt");
    try (Network teacher = ResNet.cifar(14, Digits.CLASSES, Digits.CHANNELS)) {
      teacher.saveStateDict(weights);
    }
    Path kept = folder.resolve("kept");
    int port = RankThreads.freePort();
    try (ChildJvm first = start(0, port, weights, kept);
        ChildJvm second = start(1, port, weights, folder.resolve("not written"))) {
      for (ChildJvm child : List.of(first, second)) {
        assertThat(child.await()).as(child.output()).isZero();
        assertThat(child.output()).contains("FINISHED");
      }
    }
    assertThat(kept.toFile().list())
        .containsExactlyInAnyOrder("best.pt", "last.pt", "last.checkpoint");
    assertThat(folder.resolve("not written")).doesNotExist();

    TrainingSummary alone = DistributedExample.train(weights, kept, EPOCHS + 1);
    assertThat(alone.epochs()).isEqualTo(EPOCHS + 1);
  }

  private ChildJvm start(int rank, int port, Path weights, Path kept) throws IOException {
    return ChildJvm.start(
        Files.createDirectory(folder.resolve("rank" + rank)),
        RankThreads.environment(rank, 2, port),
        List.of(),
        DistributedExample.class,
        weights.toString(),
        kept.toString(),
        Integer.toString(EPOCHS));
  }
}
