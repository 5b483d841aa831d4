package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.Optional;
import org.retort.internal.Arguments;
import org.retort.losses.DistillationLoss;

/**
 * A distillation loss as one term of the sum that a stage minimises. Immutable: each method returns
 * a changed copy.
 *
 * @param weight at least 0 and finite
 * @param loss the loss
 * @param taps the features that it compares; none for a loss on logits
 * @param schedule the factor by which the weight is multiplied
 * @param teachers the names of the teachers that it learns from: one, or those to be mixed; if
 *     empty, all teachers of the step, which without a mean must have only one
 * @param teacherMean the kind of mean of several teachers; none if it learns from one
 */
public record Term(
    double weight,
    DistillationLoss loss,
    Taps taps,
    Schedule schedule,
    List<String> teachers,
    Optional<TeacherMean> teacherMean) {
  private static final String NAME = "Term";

  /**
   * Creates a term.
   *
   * @param weight at least 0 and finite
   * @param loss the loss
   * @param taps the features that it compares; none for a loss on logits
   * @param schedule the factor by which the weight is multiplied
   * @param teachers the names of its teachers; at most one without a mean
   * @param teacherMean the kind of mean of several teachers; none for a loss on features
   * @throws IllegalArgumentException if the weight is out of range, an argument is null, there are
   *     several teachers without a mean, or there are taps with one
   */
  public Term {
    Arguments.notNegative(weight, NAME, "weight");
    Arguments.notNull(loss, NAME, "loss");
    Arguments.notNull(taps, NAME, "taps");
    Arguments.notNull(schedule, NAME, "schedule");
    teachers = Arguments.list(teachers, NAME, "teachers");
    Arguments.notNull(teacherMean, NAME, "teacher mean");
    check(
        teachers.size() <= 1 || teacherMean.isPresent(),
        "%s: teachers must be one, unless a mean is taken of them (got %s)",
        NAME,
        String.join(", ", teachers));
    check(
        teacherMean.isEmpty() || taps.teacher().isEmpty(),
        "%s: teacher of a term with taps must be one (got a mean)",
        NAME);
  }

  /**
   * Creates a term for a loss on logits with a constant weight.
   *
   * @param weight at least 0 and finite
   * @param loss the loss
   * @return a term that learns from the step's only teacher
   * @throws IllegalArgumentException if the weight is out of range or the loss is null
   */
  public static Term of(double weight, DistillationLoss loss) {
    return new Term(weight, loss, Taps.of(), Schedule.constant(), List.of(), Optional.empty());
  }

  /**
   * Changes the weight.
   *
   * @param weight at least 0 and finite
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Term withWeight(double weight) {
    return new Term(weight, loss, taps, schedule, teachers, teacherMean);
  }

  /**
   * Changes the features that the loss compares.
   *
   * @param taps the features; none for a loss on logits
   * @return a changed copy
   * @throws IllegalArgumentException if they are null, or a mean of teachers is taken
   */
  public Term withTaps(Taps taps) {
    return new Term(weight, loss, taps, schedule, teachers, teacherMean);
  }

  /**
   * Changes the schedule that the weight is multiplied by; constant by default.
   *
   * @param schedule the schedule
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Term withSchedule(Schedule schedule) {
    return new Term(weight, loss, taps, schedule, teachers, teacherMean);
  }

  /**
   * Changes the term to learn from one of several teachers.
   *
   * @param name its {@link Teacher#name}
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Term withTeacher(String name) {
    Arguments.notNull(name, NAME + ".withTeacher", "name");
    return new Term(weight, loss, taps, schedule, List.of(name), Optional.empty());
  }

  /**
   * Changes the term to learn from the mean of several teachers, which must have the same number of
   * classes.
   *
   * @param mean the kind of mean
   * @param names names of the teachers; if none, all teachers of the step
   * @return a changed copy
   * @throws IllegalArgumentException if an argument is null, or the term has taps
   */
  public Term withTeacherMean(TeacherMean mean, String... names) {
    String function = NAME + ".withTeacherMean";
    Arguments.notNull(mean, function, "mean");
    List<String> all = Arguments.list(names, function, "names");
    return new Term(weight, loss, taps, schedule, all, Optional.of(mean));
  }
}
