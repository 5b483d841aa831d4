package org.retort.cli;

import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.retort.data.Digits;
import org.retort.losses.CrdLoss;
import org.retort.losses.DistillationLoss;
import org.retort.losses.FspLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.losses.OfdLoss;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

/** A way to train the student: one row of the table. */
enum Row {
  /** The baseline: cross-entropy on the labelled images, no teacher. */
  STUDENT("student alone") {
    @Override
    List<Stage> stages() {
      return List.of(Stage.withoutTeacher());
    }
  },

  /** Soft targets on all images. */
  KD("KD", 1.0, KdLoss.withTemperature(4)),

  /** First the backbone learns how the teacher's layers go together, then come the labels. */
  FSP_STAGES("FSP, two stages", 10.0, FspLoss.consecutive(), "stem", "layer1", "layer2", "layer3") {
    @Override
    List<Stage> stages() {
      return List.of(new Stage(0, List.of(this)), Stage.withoutTeacher());
    }
  },

  /** How the teacher's layers go together, beside the labels. */
  FSP("FSP, joint", 10.0, FspLoss.consecutive(), "stem", "layer1", "layer2", "layer3"),

  /** Where the teacher's channels respond. */
  NST("NST", 20.0, NstLoss.polynomial(), "layer1", "layer2", "layer3"),

  /** The teacher's responses before ReLU. */
  OFD("OFD", 5.0, OfdLoss.withBatchMargin(), "layer1.pre", "layer2.pre", "layer3.pre"),

  /** Which image of all it is. */
  CRD("CRD", 0.8, CrdLoss.forSamples(Digits.TRAIN_SIZE).negatives(256).dimension(64), "embedding"),

  /** Every loss at once, each with its row's weight. */
  ALL("all together") {
    @Override
    List<Stage> stages() {
      return List.of(new Stage(1, List.of(KD, FSP, NST, OFD, CRD)));
    }
  };

  private final String title;
  private final Double defaultWeight;
  private final DistillationLoss loss;
  private final String[] taps;

  /** A row without a loss of its own. */
  Row(String title) {
    this(title, null, null);
  }

  Row(String title, Double defaultWeight, DistillationLoss loss, String... taps) {
    this.title = title;
    this.defaultWeight = defaultWeight;
    this.loss = loss;
    this.taps = taps;
  }

  /** Returns the name in options, files and results. */
  String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Returns the name in the table and the plot. */
  String title() {
    return title;
  }

  /** Returns the trainings that the student goes through, one after the other. */
  List<Stage> stages() {
    return List.of(new Stage(1, List.of(this)));
  }

  /** Returns whether any stage learns from the teacher. */
  boolean hasTeacher() {
    return stages().stream().anyMatch(Stage::hasTeacher);
  }

  /** Adds the row's loss to a step. */
  void addTerm(TrainingStep.Builder step, Map<Row, Double> weights) {
    step.add(weights.get(this), loss, Taps.of(taps));
  }

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
