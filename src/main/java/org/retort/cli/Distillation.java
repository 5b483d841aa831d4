package org.retort.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import org.retort.Retort;
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
  private final Set<String> finishedBefore = new HashSet<>(); // of all runs
  private String accuracies = ""; // of the teachers, for messages

  /** A student that is to be trained. */
  private record Student(Method method, long seed) {
    String run() {
      return method.name() + "-seed" + seed;
    }
  }

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

  /** Helps the process that has begun in the output folder. */
  static Distillation join(
      Settings settings, Experiment experiment, Progress progress, Interruption interruption) {
    return new Distillation(settings, experiment, progress, interruption);
  }

  /** Returns the names of all runs. */
  private List<String> runs() {
    List<String> runs = new ArrayList<>();
    settings.recipe().teachers().forEach(teacher -> runs.add(teacher.run()));
    students().forEach(student -> runs.add(student.run()));
    return runs;
  }

  /** Returns the number of images in the steps of all runs together. */
  static long images(Settings settings, Experiment experiment) {
    long ofStudents = settings.methods().stream().mapToLong(experiment::images).sum();
    long ofTeachers = settings.recipe().teachers().stream().mapToLong(experiment::images).sum();
    return settings.seeds() * ofStudents + (settings.needsTeacher() ? ofTeachers : 0);
  }

  /**
   * Trains everything that is not finished, students beside helpers if there are to be some.
   *
   * @param helper the arguments with which a process helps this one
   */
  Results run(List<String> helper) throws IOException {
    for (String run : runs()) {
      if (ranks.isFirst() && output.finished(run).isPresent()) {
        finishedBefore.add(run);
      }
    }
    Map<String, Run> teachers = teachers();
    Retort.threads(settings.threadsPerStudent());
    Map<Student, Run> students = new HashMap<>();
    try (Helpers helpers = new Helpers()) {
      interruption.first(helpers::close);
      List<Student> open = students();
      helpers.start(Math.min(settings.jobs(), open.size()) - 1, helper, output::log);
      trainFree(open, students);
      while (!open.isEmpty()) {
        Helpers.pause();
        checkInterruption();
        trainFree(open, students);
      }
    }
    Map<String, List<Run>> runs = new LinkedHashMap<>();
    settings.methods().forEach(method -> runs.put(method.name(), new ArrayList<>()));
    for (Student student : students()) {
      runs.get(student.method().name()).add(students.get(student));
    }
    return new Results(settings, teachers, runs);
  }

  /** Trains students for the process that has begun, until the others have all that are left. */
  Void help() throws IOException {
    teachers();
    Retort.threads(settings.threadsPerStudent());
    trainFree(students(), new HashMap<>());
    return null;
  }

  private Map<String, Run> teachers() throws IOException {
    Map<String, Run> teachers = new LinkedHashMap<>();
    if (settings.needsTeacher()) {
      for (TeacherRecipe teacher : settings.recipe().teachers()) {
        teachers.put(teacher.run(), teacher(teacher));
      }
      accuracies = accuraciesOf(teachers.values());
    }
    return teachers;
  }

  private List<Student> students() {
    List<Student> students = new ArrayList<>();
    for (int seed = 0; seed < settings.seeds(); seed++) {
      for (Method method : settings.methods()) {
        students.add(new Student(method, seed));
      }
    }
    return students;
  }

  /** Moves students to those that are done, until other processes have all that are left. */
  private void trainFree(List<Student> open, Map<Student, Run> done) throws IOException {
    for (int i = 0; i < open.size(); ) {
      Optional<Run> run = run(open.get(i));
      if (run.isPresent()) {
        done.put(open.remove(i), run.get());
        i = 0; // others may have finished meanwhile, which the progress shall show
      } else {
        i++;
      }
    }
  }

  /** Trains a student or takes it from where it is, unless another process has it. */
  private Optional<Run> run(Student student) throws IOException {
    if (settings.jobs() == 1) {
      return Optional.of(runOrResult(student));
    }
    try (Claim claim = output.claim(student.run())) {
      return claim.isGranted() ? Optional.of(runOrResult(student)) : Optional.empty();
    }
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

  private Run runOrResult(Student student) throws IOException {
    Optional<Run> finished = finished(student.run(), experiment.images(student.method()));
    return finished.isPresent() ? finished.get() : newStudent(student);
  }

  private Run newStudent(Student what) throws IOException {
    checkInterruption();
    String name = what.run();
    Method method = what.method();
    long seed = what.seed();
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
    if (finished.isPresent()) {
      if (finishedBefore.contains(run)) {
        progress.skip(images);
      } else {
        progress.stepBy(images);
      }
    }
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
