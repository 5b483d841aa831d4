package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.data.DatasetBatches;
import org.retort.models.Network;
import org.retort.recipes.Experiment;
import org.retort.recipes.Recipes;
import org.retort.train.TrainingStep;

final class TrainingTest {
  private final Experiment experiment =
      Experiment.open(Recipes.load("digits").withTeacher("resnet8"), Optional.empty());

  @TempDir private Path folder;

  @Test
  void train_killedAfterTheHistoryWasWritten_keepsEveryEpochOnce() throws IOException {
    OutputFolder output = new OutputFolder(folder);
    Path checkpoint = output.checkpoints("run", 0).resolve("last.checkpoint");
    try (Network network = experiment.network("resnet8", 1);
        DatasetBatches batches = experiment.teacherBatches(experiment.recipe().teacher());
        TrainingStep step = experiment.teacherStep(experiment.recipe().teacher(), network);
        Progress progress = Progress.start("test", Progress.IMAGES, 1)) {
      new Training("run", experiment, output, progress, "")
          .train(0, network, step, List.of(), batches, 64, 1);
      List<Run.Epoch> history = output.history("run");
      assertThat(history).hasSize(1);

      // the checkpoint before the evaluation, as if the one after it had not been written any more
      int steps = batches.stepsPerEpoch();
      String note = step.load(checkpoint);
      assertThat(note).contains("epoch=1\nstep=0\n");
      step.save(checkpoint, note.replace("epoch=1\nstep=0\n", "epoch=0\nstep=" + steps + "\n"));
      new Training("run", experiment, output, progress, "")
          .train(0, network, step, List.of(), batches, 64, 1);
      assertThat(output.history("run"))
          .singleElement()
          .satisfies(
              epoch -> {
                assertThat(epoch.epoch()).isZero();
                assertThat(epoch.accuracyPercent()).isEqualTo(history.get(0).accuracyPercent());
              });
    }
  }
}
