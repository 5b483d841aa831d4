package org.retort.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.retort.FileException;
import org.retort.models.Network;

/**
 * What a trainer writes.
 *
 * @param student the network that the step trains
 * @param folder where the files are
 */
record KeptFiles(Network student, Path folder) {
  /** Creates the folder if it does not exist. */
  void makeFolder() {
    try {
      Files.createDirectories(folder);
    } catch (IOException error) {
      throw new FileException(
          "Trainer.run: folder must be one that is there or can be made (got " + folder + ")",
          error);
    }
  }

  /** Returns where the state of the training is. */
  Path checkpoint() {
    return folder.resolve("last.checkpoint");
  }

  /** Keeps the student as the best one. */
  void saveBest() {
    student.saveStateDict(folder.resolve("best.pt"));
  }

  /** Keeps the student as the last one, then all that is needed to resume. */
  void saveLast(TrainingStep step, Progress progress) {
    student.saveStateDict(folder.resolve("last.pt"));
    step.save(checkpoint(), progress.note());
  }
}
