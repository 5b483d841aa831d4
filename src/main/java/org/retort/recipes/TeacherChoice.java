package org.retort.recipes;

import java.util.List;
import java.util.Optional;
import org.retort.train.TeacherMean;
import org.retort.train.Term;

/**
 * The recipe's teachers that a term learns from: {@code teacher: NAME}, or {@code teacher: {mean:
 * probabilities}} with the names of those that are averaged under {@code of}, if not all are.
 *
 * @param names the names of the teachers; empty for the only one, or for a mean of all
 * @param mean what is averaged, if anything
 */
record TeacherChoice(List<String> names, Optional<TeacherMean> mean) {
  /** Reads the key {@code teacher} of a term. */
  static TeacherChoice read(Fields term) {
    if (!term.has("teacher")) {
      return new TeacherChoice(List.of(), Optional.empty());
    }
    if (!term.isMapping("teacher")) {
      return new TeacherChoice(List.of(term.text("teacher")), Optional.empty());
    }
    Fields fields = term.mapping("teacher");
    List<String> names = fields.has("of") ? fields.texts("of") : List.of();
    TeacherMean mean = fields.choice("mean", TeacherMean.class);
    fields.finish();
    return new TeacherChoice(names, Optional.of(mean));
  }

  /** Returns a term that learns from these teachers. */
  Term of(Term term) {
    if (mean.isPresent()) {
      return term.withTeacherMean(mean.get(), names.toArray(String[]::new));
    }
    return names.isEmpty() ? term : term.withTeacher(names.get(0));
  }

  /** Returns the position of the first of them among the names of all. */
  int first(List<String> all) {
    return names.isEmpty() ? 0 : Math.max(0, all.indexOf(names.get(0)));
  }
}
