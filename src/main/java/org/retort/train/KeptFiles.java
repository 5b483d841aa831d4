package org.retort.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.retort.FileException;
import org.retort.models.Network;

/**
 * The files that a trainer writes.
 *
 * @param folder where the files are
 */
record KeptFiles(Path folder) {
  /** Creates the folder if it does not exist. */
  void makeFolder() {
    try {
      Files.createDirectories(folder);
    } catch (IOException error) {
      throw new FileException(
          "Trainer.run: folder must be one that exists or can be created (got " + folder + ")",
          error);
    }
  }

  /** Checks that the folder takes a checkpoint, by writing one and deleting it again. */
  void probe(StepCheckpoint checkpoint) {
    Path file = folder.resolve("probe.checkpoint");
    checkpoint.write(file);
    try {
      Files.delete(file);
    } catch (IOException error) {
      throw new FileException(
          "Trainer.run: folder must be one whose files can be replaced (got " + folder + ")",
          error);
    }
  }

  /** Returns the file that holds the state of the training run. */
  Path checkpoint() {
    return folder.resolve("last.checkpoint");
  }

  /** Saves the student as the best one. */
  void saveBest(Network student) {
    student.saveStateDict(folder.resolve("best.pt"));
  }

  /** Saves the student as the last one, then everything needed to resume. */
  void saveLast(StepCheckpoint checkpoint) {
    checkpoint.writeStudent(folder.resolve("last.pt"));
    checkpoint.write(checkpoint());
  }
}
