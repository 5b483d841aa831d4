package org.retort.cli;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.retort.Retort;
import org.retort.recipes.Experiment;
import org.retort.recipes.Method;
import org.retort.recipes.TeacherRecipe;

/**
 * The teachers, and the students that each method trains from each seed. Processes that share the
 * output folder each train some of the students.
 */
final class Distillation {
  private final Settings settings;
  private final OutputFolder output;
  private final Interruption interruption;
  private final Runs runs;
  private String accuracies = ""; // the teachers' accuracies, for messages

  /** A student that is to be trained. */
  private record Student(Method method, long seed) {
    String run() {
      return method.name() + "-seed" + seed;
    }
  }

  private Distillation(
      Settings settings, Experiment experiment, Progress progress, Interruption interruption) {
    this.settings = settings;
    output = new OutputFolder(settings.output());
    this.interruption = interruption;
    runs = new Runs(experiment, output, progress, interruption);
  }

  /** Starts in the output folder, where an earlier one is resumed or discarded. */
  static Distillation begin(
      Settings settings,
      Experiment experiment,
      String command,
      Progress progress,
      Interruption interruption)
      throws IOException {
    Distillation begun = new Distillation(settings, experiment, progress, interruption);
    if (experiment.ranks().isFirst()) {
      begun.output.begin(
          ExperimentReport.of(settings, experiment, command),
          settings.recipe().text(),
          settings.resume(),
          begun.names());
    }
    return begun;
  }

  /** Helps the process that started in the output folder. */
  static Distillation join(
      Settings settings, Experiment experiment, Progress progress, Interruption interruption) {
    return new Distillation(settings, experiment, progress, interruption);
  }

  /** Returns the names of all runs. */
  private List<String> names() {
    List<String> names = new ArrayList<>();
    settings.recipe().teachers().forEach(teacher -> names.add(teacher.run()));
    students().forEach(student -> names.add(student.run()));
    return names;
  }

  /** Returns the total number of images in the steps of all runs. */
  static long images(Settings settings, Experiment experiment) {
    long ofStudents = settings.methods().stream().mapToLong(experiment::images).sum();
    long ofTeachers = settings.recipe().teachers().stream().mapToLong(experiment::images).sum();
    return settings.seeds() * ofStudents + (settings.needsTeacher() ? ofTeachers : 0);
  }

  /**
   * Trains everything that is not finished, sharing students with helpers if there are any.
   *
   * @param helper the arguments for a process that helps this one
   */
  Results run(List<String> helper) throws IOException {
    runs.rememberFinished(names());
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
        runs.checkInterruption();
        trainFree(open, students);
      }
    }
    Map<String, List<Run>> byMethod = new LinkedHashMap<>();
    settings.methods().forEach(method -> byMethod.put(method.name(), new ArrayList<>()));
    for (Student student : students()) {
      byMethod.get(student.method().name()).add(students.get(student));
    }
    return new Results(settings, teachers, byMethod);
  }

  /**
   * Trains students for the process that started, until others have claimed all that are left.
   *
   * @return the students that are finished
   */
  List<String> help() throws IOException {
    teachers();
    Retort.threads(settings.threadsPerStudent());
    Map<Student, Run> finished = new HashMap<>();
    trainFree(students(), finished);
    return finished.keySet().stream().map(Student::run).sorted().toList();
  }

  /** Trains one teacher, or loads it if it is already trained. */
  Run teacher(TeacherRecipe recipe) throws IOException {
    return runs.teacher(recipe);
  }

  private Map<String, Run> teachers() throws IOException {
    Map<String, Run> teachers = new LinkedHashMap<>();
    if (settings.needsTeacher()) {
      for (TeacherRecipe teacher : settings.recipe().teachers()) {
        teachers.put(teacher.run(), runs.teacher(teacher));
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

  /** Moves students to {@code done}, until other processes have claimed all that are left. */
  private void trainFree(List<Student> open, Map<Student, Run> done) throws IOException {
    for (int i = 0; i < open.size(); ) {
      Optional<Run> run = run(open.get(i));
      if (run.isPresent()) {
        done.put(open.remove(i), run.get());
        i = 0; // others may have finished meanwhile; show that in the progress
      } else {
        i++;
      }
    }
  }

  /** Trains a student or loads its result, unless another process has claimed it. */
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

  private Run runOrResult(Student student) throws IOException {
    return runs.student(student.run(), student.method(), student.seed(), accuracies);
  }
}
