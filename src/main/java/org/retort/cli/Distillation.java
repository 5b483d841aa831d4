package org.retort.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
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
 * The teachers, and students that each method teaches from each seed. Each network is saved as soon
 * as it is trained, and every student begins with the teachers as they were saved, whose statistics
 * some methods change.
 *
 * <p>Of several ranks only the first knows the output folder, and tells the others what it reads.
 */
final class Distillation {
  private static final Logger LOG = LoggerFactory.getLogger(Distillation.class);

  private final Settings settings;
  private final Experiment experiment;
  private final Ranks ranks;
  private final OutputFolder output;
  private final Progress progress;
  private final Interruption interruption;
  private String accuracies = ""; // of the teachers, for messages

  private Distillation(
      Settings settings, Experiment experiment, Progress progress, Interruption interruption) {
    this.settings = settings;
    this.experiment = experiment;
    ranks = experiment.ranks();
    output = new OutputFolder(settings.output());
    this.progress = progress;
    this.interruption = interruption;
  }

  /** Begins in the output folder, where an earlier one is gone on with or forgotten. */
  static Distillation begin(
      Settings settings,
      Experiment experiment,
      String command,
      Progress progress,
      Interruption interruption)
      throws IOException {
    Distillation begun = new Distillation(settings, experiment, progress, interruption);
    if (begun.ranks.isFirst()) {
      begun.output.begin(
          ExperimentReport.of(settings, experiment, command),
          settings.recipe().text(),
          settings.resume(),
          begun.runs());
    }
    return begun;
  }

  /** Returns the names of all runs. */
  private List<String> runs() {
    List<String> runs = new ArrayList<>();
    settings.recipe().teachers().forEach(teacher -> runs.add(teacher.run()));
    for (Method method : settings.methods()) {
      for (int seed = 0; seed < settings.seeds(); seed++) {
        runs.add(name(method, seed));
      }
    }
    return runs;
  }

  private static String name(Method method, long seed) {
    return method.name() + "-seed" + seed;
  }

  /** Returns the number of images in the steps of all runs together. */
  static long images(Settings settings, Experiment experiment) {
    long ofStudents = settings.methods().stream().mapToLong(experiment::images).sum();
    long ofTeachers = settings.recipe().teachers().stream().mapToLong(experiment::images).sum();
    return settings.seeds() * ofStudents + (settings.needsTeacher() ? ofTeachers : 0);
  }

  /** Trains everything that is not finished. */
  Results run() throws IOException {
    Map<String, Run> teachers = new LinkedHashMap<>();
    if (settings.needsTeacher()) {
      for (TeacherRecipe teacher : settings.recipe().teachers()) {
        teachers.put(teacher.run(), teacher(teacher));
      }
      accuracies = accuraciesOf(teachers.values());
    }
    Map<String, List<Run>> runs = new LinkedHashMap<>();
    settings.methods().forEach(method -> runs.put(method.name(), new ArrayList<>()));
    for (int seed = 0; seed < settings.seeds(); seed++) {
      for (Method method : settings.methods()) {
        runs.get(method.name()).add(student(method, seed));
      }
    }
    return new Results(settings, teachers, runs);
  }

  private static String accuraciesOf(Collection<Run> teachers) {
    return teachers.stream()
        .map(run -> String.format(Locale.ROOT, ", teacher %.1f %%", run.accuracyPercent()))
        .collect(Collectors.joining());
  }

  /** Trains a teacher, or takes it from where it is. */
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

  private Run student(Method method, long seed) throws IOException {
    String name = name(method, seed);
    Optional<Run> finished = finished(name, experiment.images(method));
    return finished.isPresent() ? finished.get() : newStudent(name, method, seed);
  }

  private Run newStudent(String name, Method method, long seed) throws IOException {
    checkInterruption();
    Training training = training(name, method.hasTeacher() ? accuracies : "");
    // the teachers first: the seed decides what is drawn from then on
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
  private void checkInterruption() {
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
    finished.ifPresent(there -> progress.skip(images));
    return finished;
  }

  /** What rank 0 reads or computes. */
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
