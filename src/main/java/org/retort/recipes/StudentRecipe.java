package org.retort.recipes;

import java.util.OptionalInt;

/**
 * The student, and the settings shared by all methods.
 *
 * @param network the network
 * @param epochs the default epochs of a stage
 * @param batch samples per batch; labelled samples if only some are labelled
 * @param unlabeledBatch samples without labels per batch, if only some samples have labels
 * @param samplesPerClass how many training samples of each class it sees, the same ones for every
 *     seed; all if empty
 */
public record StudentRecipe(
    NetworkRecipe network,
    int epochs,
    int batch,
    OptionalInt unlabeledBatch,
    OptionalInt samplesPerClass) {
  /** The maximum number of epochs. */
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

  /** Returns a copy with a different network. */
  StudentRecipe withNetwork(NetworkRecipe other) {
    return new StudentRecipe(other, epochs, batch, unlabeledBatch, samplesPerClass);
  }

  /** Returns a copy with a different number of epochs. */
  StudentRecipe withEpochs(int other) {
    return new StudentRecipe(network, other, batch, unlabeledBatch, samplesPerClass);
  }
}
