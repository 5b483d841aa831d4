package org.retort.recipes;

import java.util.OptionalInt;

/**
 * The student, and what is the same for all methods.
 *
 * @param network what it is
 * @param epochs of a stage that does not say otherwise
 * @param batch samples per batch, labelled ones if only some are
 * @param unlabeledBatch samples without labels a batch, if only some samples have labels
 * @param samplesPerClass how many training samples of each class it sees, the same for every seed;
 *     all if empty
 */
public record StudentRecipe(
    NetworkRecipe network,
    int epochs,
    int batch,
    OptionalInt unlabeledBatch,
    OptionalInt samplesPerClass) {
  /** The most epochs of a training. */
  public static final int MAX_EPOCHS = 10_000;

  /** Reads a student. */
  static StudentRecipe read(Fields fields, boolean hasUnlabeled) {
    StudentRecipe student =
        new StudentRecipe(
            NetworkRecipe.read(fields),
            fields.whole("epochs", 1, MAX_EPOCHS),
            fields.whole("batch", 1, Integer.MAX_VALUE),
            fields.optionalWhole("unlabeled_batch", 1, Integer.MAX_VALUE),
            fields.optionalWhole("samples_per_class", 1, Integer.MAX_VALUE));
    if (hasUnlabeled != student.unlabeledBatch.isPresent()) {
      throw fields.wrong(
          "unlabeled_batch",
          "be given if, and only if, data has labels_per_class",
          hasUnlabeled ? "none" : student.unlabeledBatch.getAsInt());
    }
    fields.finish();
    return student;
  }

  /** Returns the same with another network. */
  StudentRecipe withNetwork(NetworkRecipe other) {
    return new StudentRecipe(other, epochs, batch, unlabeledBatch, samplesPerClass);
  }

  /** Returns the same with another number of epochs. */
  StudentRecipe withEpochs(int other) {
    return new StudentRecipe(network, other, batch, unlabeledBatch, samplesPerClass);
  }
}
