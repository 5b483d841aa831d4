package org.retort.recipes;

import java.util.List;
import java.util.stream.Stream;
import org.retort.losses.OfdLoss;
import org.retort.models.Network;

/**
 * {@code margins: batch | teacher}, from each batch by default, {@code norms} (the teacher's
 * BatchNorms before the taps, those of the network by default), {@code reduction: mean | sum |
 * batchmean}, {@code layer_decay}, {@code scale}, {@code init: official | kaiming}.
 */
final class OfdRecipe {
  private enum Margins {
    BATCH,
    TEACHER
  }

  private OfdRecipe() {}

  static LossRecipe read(Fields fields) {
    OfdLoss options = OfdLoss.ofBatchMargins();
    if (fields.has("reduction")) {
      options = options.withReduction(reduction(fields));
    }
    options = fields.number("layer_decay", options, OfdLoss::withLayerDecay);
    options = fields.number("scale", options, OfdLoss::withScale);
    OfdLoss read = fields.choice("init", options, OfdLoss.Init.class, OfdLoss::withInit);
    return switch (fields.choice("margins", Margins.class, Margins.BATCH)) {
      case BATCH -> context -> read;
      case TEACHER -> {
        List<String> norms = fields.has("norms") ? fields.texts("norms") : List.of();
        yield context -> withMarginsOf(context, norms, read);
      }
    };
  }

  /** Reads a reduction by its name in C++, Python and PyTorch. */
  private static OfdLoss.Reduction reduction(Fields fields) {
    return switch (fields.choice("reduction", List.of("mean", "sum", "batchmean"))) {
      case "sum" -> OfdLoss.Reduction.SUM;
      case "batchmean" -> OfdLoss.Reduction.BATCH_MEAN;
      default -> OfdLoss.Reduction.MEAN;
    };
  }

  private static OfdLoss withMarginsOf(LossContext context, List<String> norms, OfdLoss options) {
    Network teacher = context.teacher();
    if (teacher == null) {
      throw new IllegalArgumentException(
          "OfdLoss: margins must be batch if outputs are stored (got teacher)");
    }
    Stream<String> names =
        norms.isEmpty() ? context.taps().stream().map(teacher::normBefore) : norms.stream();
    OfdLoss ofTeacher = OfdLoss.ofTeacherMargins(teacher, names.toArray(String[]::new));
    return options.withMargins(ofTeacher.margins());
  }
}
