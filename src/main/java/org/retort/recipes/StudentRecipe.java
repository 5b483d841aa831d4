package org.retort.recipes;

import java.util.OptionalInt;

/**
 * The student, and what is the same for all methods.
 *
 * @param network its name
 * @param epochs of a stage that does not say otherwise
 * @param batch samples a batch, labelled ones if only some are
 * @param unlabeledBatch samples without labels a batch, if only some samples have labels
 */
public record StudentRecipe(String network, int epochs, int batch, OptionalInt unlabeledBatch) {
  /** The most epochs of a training. */
  public static final int MAX_EPOCHS = 10_000;

  /** Reads a student. */
  static StudentRecipe read(Fields fields, boolean hasUnlabeled) {
    StudentRecipe student =
        new StudentRecipe(
            fields.choice("network", NetworkFactory.names()),
            fields.whole("epochs", 1, MAX_EPOCHS),
            fields.whole("batch", 1, Integer.MAX_VALUE),
            fields.optionalWhole("unlabeled_batch", 1, Integer.MAX_VALUE));
    if (hasUnlabeled != student.unlabeledBatch.isPresent()) {
      throw fields.wrong(
          "unlabeled_batch",
          "be given if, and only if, data has labels_per_class",
          hasUnlabeled ? "none" : student.unlabeledBatch.getAsInt());
    }
    fields.finish();
    return student;
  }
}
