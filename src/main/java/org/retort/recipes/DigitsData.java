package org.retort.recipes;

import java.util.stream.IntStream;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.data.DigitBatches;
import org.retort.data.Digits;
import org.retort.models.Network;

/** The digits that ship with Retort. */
final class DigitsData implements ExperimentData {
  static final DataShape SHAPE =
      new DataShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE, Digits.CLASSES, Digits.TRAIN_SIZE);

  private final DataRecipe recipe;
  private final Digits digits = Digits.load();
  private final Batch test = digits.test();

  /** Loads the digits, whose augmentation is fixed. */
  DigitsData(DataRecipe recipe) {
    AugmentationRecipe fixed = new AugmentationRecipe(1, AugmentationRecipe.Padding.ZERO, false);
    if (!recipe.augmentation().equals(fixed)) {
      throw new RecipeException(
          "digits: augmentation must be a crop of 1 with zero padding (got another)");
    }
    if (recipe.normalization().isPresent()) {
      throw new RecipeException("digits: normalization must not be given (got one)");
    }
    this.recipe = recipe;
  }

  @Override
  public DataShape shape() {
    return SHAPE;
  }

  @Override
  public long[] labels() {
    return IntStream.range(0, Digits.TRAIN_SIZE).mapToLong(digits::trainLabel).toArray();
  }

  @Override
  public int testSize() {
    return Digits.TEST_SIZE;
  }

  @Override
  public String credit() {
    return Digits.CREDIT;
  }

  @Override
  public Batches all(int batch, long seed) {
    return DigitBatches.all(digits, batch, seed);
  }

  @Override
  public Batches of(StudentRecipe student, boolean hasTeacher, long seed) {
    if (recipe.labelsPerClass().isEmpty()) {
      return all(student.batch(), seed);
    }
    int[] labeled = digits.labeled(seed, recipe.labelsPerClass().getAsInt());
    int unlabeled = student.unlabeledBatch().getAsInt();
    return hasTeacher
        ? DigitBatches.mixed(digits, labeled, student.batch(), unlabeled, seed)
        : DigitBatches.labeledPart(digits, labeled, student.batch(), unlabeled, seed);
  }

  @Override
  public double accuracy(Network network) {
    return network.accuracy(test.images(), test.labels());
  }
}
