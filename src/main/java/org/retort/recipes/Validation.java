package org.retort.recipes;

import java.util.OptionalDouble;
import org.retort.data.Dataset;
import org.retort.data.Split;

/**
 * The share of one-part data that is held out for validation: {@code validation: 0.2}, a fifth by
 * default.
 *
 * @param given the share, if given
 * @param place its name in messages
 */
record Validation(OptionalDouble given, String place) {
  private static final String KEY = "validation";
  private static final double SHARE = 0.2;

  /** The same for every training seed, so that all networks are measured on the same samples. */
  static final long SEED = 0;

  /** Reads the key. */
  static Validation read(Fields fields) {
    if (!fields.has(KEY)) {
      return new Validation(OptionalDouble.empty(), fields.place(KEY));
    }
    double share = fields.number(KEY);
    if (!(share > 0 && share < 1)) {
      throw fields.wrong(KEY, "be between 0 and 1", share);
    }
    return new Validation(OptionalDouble.of(share), fields.place(KEY));
  }

  /** Throws if a share is given for data that have a test part. */
  void requireNone() {
    if (given.isPresent()) {
      throw new RecipeException(
          "%s must not be given for data with a test part (got %s)"
              .formatted(place, given.getAsDouble()));
    }
  }

  double share() {
    return given.orElse(SHARE);
  }

  /** Returns data in two parts. */
  DataParts split(Dataset whole, String credit) {
    Split split = Split.of(whole, share(), SEED);
    return DataParts.of(split.training(), split.validation(), credit);
  }

  /** Returns the positions held out from samples of these classes. */
  int[] positions(int[] labels, int classes) {
    return Split.validation(labels, classes, share(), SEED);
  }
}
