package org.retort.recipes;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * An experiment: data, one or more teachers, a student and the ways to train it. Immutable; methods
 * that change it return a changed copy.
 *
 * @param name its name in options
 * @param title its name in plots
 * @param source where its settings come from
 * @param text the file as read, without later changes
 * @param data the data
 * @param teachers the teachers that are trained
 * @param storedTeachers the teachers whose outputs are stored
 * @param student the student
 * @param optimizer the optimizer of all stages and teachers that have none of their own
 * @param methods the ways to train the student, in the order of the table
 */
public record Recipe(
    String name,
    String title,
    String source,
    String text,
    DataRecipe data,
    List<TeacherRecipe> teachers,
    List<StoredTeacherRecipe> storedTeachers,
    StudentRecipe student,
    OptimizerRecipe optimizer,
    List<Method> methods) {
  /**
   * Returns the names of the methods.
   *
   * @return the names, in order
   */
  public List<String> methodNames() {
    return methods.stream().map(Method::name).toList();
  }

  /**
   * Returns the weights of the terms by the terms' names.
   *
   * @return a new map, in the order of the names
   */
  public Map<String, Double> weights() {
    Map<String, Double> weights = new TreeMap<>();
    terms().forEach(term -> weights.putIfAbsent(term.name(), term.weight()));
    return weights;
  }

  /** Returns the distillation losses of all methods. */
  Stream<TermRecipe> terms() {
    return methods.stream()
        .flatMap(method -> method.stages().stream())
        .flatMap(stage -> stage.terms().stream());
  }

  /**
   * Keeps only some of the methods.
   *
   * @param names the names of those to keep
   * @return a changed copy
   */
  public Recipe withMethods(Set<String> names) {
    return withMethods(methods.stream().filter(method -> names.contains(method.name())).toList());
  }

  /**
   * Changes the weights of terms.
   *
   * @param weights the weights by the terms' names
   * @return a changed copy
   */
  public Recipe withWeights(Map<String, Double> weights) {
    return withStages(
        stage ->
            stage.withTerms(
                stage.terms().stream()
                    .map(term -> term.withWeight(weights.getOrDefault(term.name(), term.weight())))
                    .toList()));
  }

  /**
   * Makes the student's training longer or shorter, scaling stages with their own length and all
   * schedules in proportion.
   *
   * @param epochs epochs of the student, at least 1
   * @return a changed copy
   */
  public Recipe withEpochs(int epochs) {
    double factor = (double) epochs / student.epochs();
    return withStudent(student.withEpochs(epochs))
        .withStages(
            stage -> stage.withEpochs((int) Math.max(1, Math.round(factor * stage.epochs()))));
  }

  /**
   * Returns whom the student learns from.
   *
   * @return the teachers' networks, and the files of stored outputs
   */
  public List<String> teacherTitles() {
    return Stream.concat(
            teachers.stream().map(teacher -> teacher.network().name()),
            storedTeachers.stream().map(teacher -> teacher.file().getFileName().toString()))
        .toList();
  }

  /**
   * Returns the names of all teachers in the order of a step: those with networks, then those with
   * outputs.
   */
  List<String> teacherNames() {
    return Stream.concat(
            teachers.stream().map(TeacherRecipe::name),
            storedTeachers.stream().map(StoredTeacherRecipe::name))
        .toList();
  }

  /**
   * Returns the only teacher.
   *
   * @return the teacher
   * @throws RecipeException if there are several, or outputs are stored
   */
  public TeacherRecipe teacher() {
    if (teachers.size() != 1 || !storedTeachers.isEmpty()) {
      throw new RecipeException(
          name
              + ": teachers must be one to be changed or trained alone (got "
              + (storedTeachers.isEmpty() ? teachers.size() : "stored outputs")
              + ")");
    }
    return teachers.get(0);
  }

  /**
   * Makes the teacher's training longer or shorter.
   *
   * @param epochs epochs of the teacher, at least 1
   * @return a changed copy
   * @throws RecipeException if there are several teachers, or outputs are stored
   */
  public Recipe withTeacherEpochs(int epochs) {
    return withTeacher(teacher().withEpochs(epochs));
  }

  /**
   * Uses a different teacher.
   *
   * @param network its name, or the file of a program, which comes trained
   * @return a changed copy
   * @throws RecipeException if there are several teachers, or outputs are stored
   */
  public Recipe withTeacher(String network) {
    return withTeacher(teacher().withNetwork(NetworkRecipe.of(network)));
  }

  /**
   * Uses a different teacher, which comes trained.
   *
   * @param network its name
   * @param weights its state dict
   * @return a changed copy
   * @throws RecipeException if there are several teachers, or outputs are stored
   */
  public Recipe withTeacher(String network, Path weights) {
    return withTeacher(teacher().withNetwork(NetworkRecipe.of(network).withWeights(weights)));
  }

  /**
   * Uses trained weights for the teacher.
   *
   * @param weights its state dict
   * @return a changed copy
   * @throws RecipeException if there are several teachers, or outputs are stored
   */
  public Recipe withTeacherWeights(Path weights) {
    return withTeacher(teacher().withWeights(weights));
  }

  /**
   * Trains the teacher from a different seed.
   *
   * @param seed the seed, at least 0
   * @return a changed copy
   * @throws RecipeException if there are several teachers, or outputs are stored
   */
  public Recipe withTeacherSeed(long seed) {
    return withTeacher(teacher().withSeed(seed));
  }

  /**
   * Uses a different student.
   *
   * @param network its name, or the file of a program
   * @return a changed copy
   */
  public Recipe withStudent(String network) {
    return withStudent(student.withNetwork(NetworkRecipe.of(network)));
  }

  /**
   * Changes how many samples of each class keep their labels.
   *
   * @param labels the number of labels, at least 1
   * @return a changed copy
   * @throws RecipeException if in this recipe all samples keep their labels
   */
  public Recipe withLabelsPerClass(int labels) {
    if (data.labelsPerClass().isEmpty()) {
      throw new RecipeException(
          name + ": labels_per_class must be part of the recipe to be changed (got none)");
    }
    return new Recipe(
        name,
        title,
        source,
        text,
        data.withLabelsPerClass(labels),
        teachers,
        storedTeachers,
        student,
        optimizer,
        methods);
  }

  private Recipe withTeacher(TeacherRecipe other) {
    return new Recipe(
        name, title, source, text, data, List.of(other), List.of(), student, optimizer, methods);
  }

  private Recipe withStudent(StudentRecipe other) {
    return new Recipe(
        name, title, source, text, data, teachers, storedTeachers, other, optimizer, methods);
  }

  private Recipe withMethods(List<Method> others) {
    return new Recipe(
        name, title, source, text, data, teachers, storedTeachers, student, optimizer, others);
  }

  private Recipe withStages(UnaryOperator<StageRecipe> change) {
    return withMethods(methods.stream().map(method -> method.with(change)).toList());
  }
}
