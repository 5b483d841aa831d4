package org.retort.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What the command writes, and resumes from: the experiment, a state dict and a record of each
 * finished run, and checkpoints of the unfinished one.
 *
 * @param folder where it is
 */
record OutputFolder(Path folder) {
  private static final String EXPERIMENT = "experiment.json";

  /** Holds what {@code --resume} resumes from, and nothing that anybody else put there. */
  private static final String STATE = ".retort";

  /** The history of an unfinished run. */
  private record History(List<Run.Epoch> epochs) {}

  /**
   * Records what is to be run, so that a folder that can't be written is found before there is
   * anything to lose. To resume, the folder must hold the same experiment, or none; otherwise
   * everything an earlier one could have resumed from is discarded.
   */
  void begin(ExperimentReport report, String recipe, boolean resume, List<String> runs)
      throws IOException {
    for (String run : runs) {
      if (Files.isDirectory(network(run))) {
        throw wrong(networkName(run) + " is a folder", null);
      }
    }
    try {
      begin(report, recipe, resume);
    } catch (IOException failure) {
      String kind = failure.getClass().getSimpleName();
      throw wrong(kind + ": " + failure.getMessage(), failure);
    }
  }

  private IOException wrong(String reason, Exception cause) {
    return new IOException(
        "--output must be a writable folder (got " + folder + ": " + reason + ")", cause);
  }

  private void begin(ExperimentReport report, String recipe, boolean resume) throws IOException {
    Path file = folder.resolve(EXPERIMENT);
    if (resume && Files.exists(file)) {
      ExperimentReport old = Json.read(file, ExperimentReport.class);
      if (!report.isSameExperiment(old)) {
        throw new IllegalArgumentException(
            "--resume must be used with the options of the previous run, whose command was: "
                + old.command()
                + " (got different ones)");
      }
    } else {
      delete(folder.resolve(STATE));
    }
    Files.createDirectories(folder.resolve(STATE));
    Json.write(file, report);
    AtomicFile.write(folder.resolve("recipe.yaml"), recipe.getBytes(StandardCharsets.UTF_8));
  }

  /** Returns the path of a run's state dict. */
  Path network(String run) {
    return folder.resolve(networkName(run));
  }

  /** Returns the file name of a run's state dict. */
  String networkName(String run) {
    return run + ".pt";
  }

  /** Returns a run, if it is finished. */
  Optional<Run> finished(String run) throws IOException {
    Path file = record(run);
    return Files.exists(file) && Files.exists(network(run))
        ? Optional.of(Json.read(file, Run.class))
        : Optional.empty();
  }

  /** Stores a finished run, whose state dict exists, and deletes its checkpoints. */
  void finish(String name, Run run) throws IOException {
    Json.write(record(name), run);
    delete(checkpoints(name));
  }

  /** Claims a run for this process. */
  Claim claim(String run) throws IOException {
    return Claim.of(folder.resolve(STATE).resolve(run + ".lock"));
  }

  /** Returns the path of a helper's log. */
  Path log(int helper) {
    return folder.resolve(STATE).resolve("helper-" + helper + ".log");
  }

  /** Returns the path of a stage's checkpoints. */
  Path checkpoints(String run, int stage) {
    return checkpoints(run).resolve("stage" + stage);
  }

  /** Returns the epochs of an unfinished run. */
  List<Run.Epoch> history(String run) throws IOException {
    Path file = historyFile(run);
    return Files.exists(file) ? Json.read(file, History.class).epochs() : List.of();
  }

  /** Stores the epochs of an unfinished run. */
  void keepHistory(String run, List<Run.Epoch> epochs) throws IOException {
    Files.createDirectories(checkpoints(run));
    Json.write(historyFile(run), new History(epochs));
  }

  private Path historyFile(String run) {
    return checkpoints(run).resolve("history.json");
  }

  private Path record(String run) {
    return folder.resolve(STATE).resolve(run + ".json");
  }

  private Path checkpoints(String run) {
    return folder.resolve(STATE).resolve(run);
  }

  private static void delete(Path root) throws IOException {
    if (!Files.exists(root)) {
      return;
    }
    try (Stream<Path> files = Files.walk(root)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
