package org.retort.cli;

import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.retort.losses.KdLoss;
import org.retort.train.TrainingStep;

/**
 * A way to train the student: one row of the table. To add a constant is all it takes to add a row.
 */
enum Row {
  /** The baseline: cross-entropy on the labelled images, no teacher. */
  STUDENT("student alone"),

  /** Soft targets on all images. */
  KD("KD", 1.0) {
    @Override
    void addTerms(TrainingStep.Builder step, Map<Row, Double> weights) {
      step.add(weights.get(this), KdLoss.withTemperature(4));
    }
  };

  private final String title;
  private final Double defaultWeight;

  Row(String title) {
    this(title, null);
  }

  Row(String title, Double defaultWeight) {
    this.title = title;
    this.defaultWeight = defaultWeight;
  }

  /** Returns the name in options, files and results. */
  String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Returns the name in the table and the plot. */
  String title() {
    return title;
  }

  /** Returns whether the row learns from a teacher, and so from the images without labels, too. */
  boolean hasTeacher() {
    return this != STUDENT;
  }

  /** Adds what the row has beside the cross-entropy. */
  void addTerms(TrainingStep.Builder step, Map<Row, Double> weights) {}

  /** Returns the weights of the rows that have one. */
  static Map<Row, Double> defaultWeights() {
    Map<Row, Double> weights = new EnumMap<>(Row.class);
    for (Row row : values()) {
      if (row.defaultWeight != null) {
        weights.put(row, row.defaultWeight);
      }
    }
    return weights;
  }

  /** Returns the row of that name. */
  static Optional<Row> of(String id) {
    return Arrays.stream(values()).filter(row -> row.id().equals(id)).findFirst();
  }

  /** Returns the names of all rows, in the order of the table. */
  static List<String> ids() {
    return Arrays.stream(values()).map(Row::id).toList();
  }

  @Override
  public String toString() {
    return id();
  }
}
