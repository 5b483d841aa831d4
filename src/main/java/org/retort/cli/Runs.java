package org.retort.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import org.retort.data.DatasetBatches;
import org.retort.distributed.Ranks;
import org.retort.models.Network;
import org.retort.recipes.Experiment;
import org.retort.recipes.Method;
import org.retort.recipes.NetworkList;
import org.retort.recipes.StageRecipe;
import org.retort.recipes.TeacherRecipe;
import org.retort.train.TrainingStep;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Trains one network after another, or takes its result from the output folder. Each is saved as
 * soon as it is trained, and every student starts with the teachers as saved, since some methods
 * change their statistics.
 *
 * <p>Of several ranks, only the first accesses the output folder, and sends the others what it
 * reads.
 */
final class Runs {
  private static final Logger LOG = LoggerFactory.getLogger(Runs.class);

  private final Experiment experiment;
  private final Ranks ranks;
  private final OutputFolder output;
  private final Progress progress;
  private final Interruption interruption;
  private final Set<String> finishedBefore = new HashSet<>();

  Runs(Experiment experiment, OutputFolder output, Progress progress, Interruption interruption) {
    this.experiment = experiment;
    ranks = experiment.ranks();
    this.output = output;
    this.progress = progress;
    this.interruption = interruption;
  }

  /** Remembers which of the runs had already finished, for the progress. */
  void rememberFinished(List<String> runs) throws IOException {
    for (String run : runs) {
      if (ranks.isFirst() && output.finished(run).isPresent()) {
        finishedBefore.add(run);
      }
    }
  }

  /** Trains a teacher, or loads it if it is already trained. */
  Run teacher(TeacherRecipe recipe) throws IOException {
    Optional<Run> finished = finished(recipe.run(), experiment.images(recipe));
    return finished.isPresent() ? finished.get() : newTeacher(recipe);
  }

  private Run newTeacher(TeacherRecipe recipe) throws IOException {
    Training training = training(recipe.run(), "");
    try (Network teacher = experiment.teacher(recipe)) {
      if (recipe.isTrainedHere()) {
        try (DatasetBatches batches = experiment.teacherBatches(recipe);
            TrainingStep step = experiment.teacherStep(recipe, teacher)) {
          training.train(0, teacher, step, List.of(), batches, recipe.batch(), recipe.epochs());
        }
      }
      return finish(recipe.run(), training, teacher, recipe.seed());
    }
  }

  /**
   * Trains a student, or loads its result if it is already trained.
   *
   * @param name the name of the run
   * @param note what messages say about its teachers
   */
  Run student(String name, Method method, long seed, String note) throws IOException {
    Optional<Run> finished = finished(name, experiment.images(method));
    return finished.isPresent() ? finished.get() : newStudent(name, method, seed, note);
  }

  private Run newStudent(String name, Method method, long seed, String note) throws IOException {
    checkInterruption();
    Training training = training(name, method.hasTeacher() ? note : "");
    // the teachers first: the seed determines what is drawn from then on
    try (NetworkList teachers = method.hasTeacher() ? savedTeachers() : new NetworkList(List.of());
        Network student = experiment.student(seed)) {
      for (int i = 0; i < method.stages().size(); i++) {
        StageRecipe stage = method.stages().get(i);
        try (DatasetBatches batches = experiment.batches(stage, seed);
            TrainingStep step = experiment.step(stage, student, teachers.all())) {
          training.train(
              i,
              student,
              step,
              stage.termNames(),
              batches,
              experiment.imagesPerStep(stage),
              stage.epochs());
        }
      }
      return finish(name, training, student, seed);
    }
  }

  /** Throws on all ranks if one has been asked to end. */
  void checkInterruption() {
    if (ranks.any(interruption.isRequested())) {
      throw new CancellationException("interrupted");
    }
  }

  private NetworkList savedTeachers() {
    return NetworkList.of(experiment.recipe().teachers(), this::savedTeacher);
  }

  private Network savedTeacher(TeacherRecipe recipe) {
    Path file = output.network(recipe.run());
    Network teacher = experiment.teacher(recipe);
    try {
      if (ranks.size() == 1) {
        teacher.loadStateDict(file);
      } else {
        byte[] own = ranks.isFirst() ? Files.readAllBytes(file) : new byte[0];
        teacher.loadStateDict(ranks.bytesOfFirst(own));
      }
      return teacher;
    } catch (IOException failure) {
      teacher.close();
      throw new UncheckedIOException(failure);
    } catch (RuntimeException failure) {
      teacher.close();
      throw failure;
    }
  }

  private Optional<Run> finished(String run, long images) throws IOException {
    Optional<Run> finished = ofFirst(() -> output.finished(run));
    if (finished.isPresent()) {
      if (finishedBefore.contains(run)) {
        progress.skip(images);
      } else {
        progress.stepBy(images);
      }
    }
    return finished;
  }

  /** A value that rank 0 reads or computes. */
  private interface Source {
    Optional<Run> get() throws IOException;
  }

  private Optional<Run> ofFirst(Source source) throws IOException {
    Optional<Run> own = ranks.isFirst() ? source.get() : Optional.empty();
    String told = ranks.ofFirst(own.map(Json::of).orElse(""));
    return told.isEmpty() ? Optional.empty() : Optional.of(Json.parse(told, Run.class));
  }

  private Training training(String run, String teachers) throws IOException {
    return new Training(run, experiment, output, progress, teachers);
  }

  private Run finish(String name, Training training, Network network, long seed)
      throws IOException {
    Run run = ofFirst(() -> Optional.of(training.finish(network, seed))).orElseThrow();
    LOG.info("{}: {} % in {} s", name, run.accuracyPercent(), run.seconds());
    return run;
  }
}
