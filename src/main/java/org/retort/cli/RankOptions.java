package org.retort.cli;

import java.io.IOException;
import org.retort.RankException;
import org.retort.distributed.Ranks;
import org.retort.distributed.RanksOptions;
import org.retort.train.BatchNormOver;
import picocli.CommandLine.Option;

/** The options of commands that train over several ranks, if there are several. */
final class RankOptions {
  @Option(
      names = "--batch-norm",
      paramLabel = "<samples>",
      defaultValue = "OWN_BATCH",
      description =
          "Samples that batch normalisation uses with several ranks: OWN_BATCH, those of the rank"
              + " itself, or ALL_RANKS, which gives the same results as one process but is slower."
              + " Default: ${DEFAULT-VALUE}.")
  private BatchNormOver batchNorm;

  /** The task that all ranks do. */
  interface Task {
    int run(Ranks ranks) throws IOException;
  }

  /** Returns whose samples batch normalisation normalises by. */
  BatchNormOver batchNorm() {
    return batchNorm;
  }

  /**
   * Joins the other ranks, if the environment says that there are any, and does a task, reporting
   * its failure to them. Returns the exit code.
   */
  int run(CommonOptions common, Task task) throws IOException {
    RanksOptions options = RanksOptions.of().withDevice(common.isOnGpu() ? "cuda" : "cpu");
    try (Ranks ranks =
        Ranks.fromEnvironment(LaunchedRank.timeout().map(options::withTimeout).orElse(options))) {
      try {
        return task.run(ranks);
      } catch (RankException known) {
        throw known;
      } catch (IOException | RuntimeException | Error failure) {
        tell(ranks, failure);
        throw failure;
      }
    }
  }

  private static void tell(Ranks ranks, Throwable failure) {
    try {
      ranks.fail(Main.text(failure));
    } catch (RuntimeException gone) {
      failure.addSuppressed(gone);
    }
  }
}
