package org.retort.recipes;

import java.util.List;
import java.util.Optional;
import org.retort.train.CrossEntropy;
import org.retort.train.TeacherBatchNorm;

/**
 * One training of the student, with its own optimizer.
 *
 * @param epochs its length in epochs
 * @param crossEntropy the loss of the labels
 * @param terms the distillation losses
 * @param optimizer the optimizer, if not the recipe's
 * @param trainsBackbone whether the classifier is left as it is
 * @param teacherBatchNorm what the teacher's BatchNorms do
 * @param place its name in messages: {@code <file>:<line>: method <name>, stage <number>}
 */
public record StageRecipe(
    int epochs,
    CrossEntropy crossEntropy,
    List<TermRecipe> terms,
    Optional<OptimizerRecipe> optimizer,
    boolean trainsBackbone,
    TeacherBatchNorm teacherBatchNorm,
    String place) {
  /** The part of the student that a stage trains. */
  enum Part {
    ALL,
    BACKBONE
  }

  /** Reads a stage, called {@code name} in messages, of a student trained for some epochs. */
  static StageRecipe read(Fields fields, String name, int studentEpochs) {
    String place = fields.place() + name;
    int epochs = fields.whole("epochs", 1, StudentRecipe.MAX_EPOCHS, studentEpochs);
    CrossEntropy crossEntropy = CrossEntropy.of(fields.notNegative("cross_entropy", 1));
    StageRecipe stage =
        new StageRecipe(
            epochs,
            fields.number("label_smoothing", crossEntropy, CrossEntropy::withLabelSmoothing),
            fields.has("terms")
                ? fields.mappings("terms").stream()
                    .map(term -> TermRecipe.read(term, name, epochs))
                    .toList()
                : List.of(),
            fields.has("optimizer")
                ? Optional.of(OptimizerRecipe.read(fields.mapping("optimizer"), epochs))
                : Optional.empty(),
            fields.choice("train", Part.class, Part.ALL) == Part.BACKBONE,
            fields.choice(
                "teacher_batch_norm", TeacherBatchNorm.class, TeacherBatchNorm.EVALUATION),
            place);
    fields.finish();
    return stage;
  }

  /**
   * Returns whether it learns from a teacher, and thus also from samples without labels.
   *
   * @return whether there are distillation losses
   */
  public boolean hasTeacher() {
    return !terms.isEmpty();
  }

  /**
   * Returns the names of the distillation losses.
   *
   * @return the names, in the order of a step's results
   */
  public List<String> termNames() {
    return terms.stream().map(TermRecipe::name).toList();
  }

  /** Returns a copy with a different length. */
  StageRecipe withEpochs(int other) {
    return new StageRecipe(
        other, crossEntropy, terms, optimizer, trainsBackbone, teacherBatchNorm, place);
  }

  /** Returns a copy with different terms. */
  StageRecipe withTerms(List<TermRecipe> other) {
    return new StageRecipe(
        epochs, crossEntropy, other, optimizer, trainsBackbone, teacherBatchNorm, place);
  }
}
