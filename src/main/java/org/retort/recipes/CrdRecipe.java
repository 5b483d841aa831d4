package org.retort.recipes;

import java.util.function.UnaryOperator;
import org.retort.losses.CrdLoss;

/**
 * {@code queue} (rows, instead of a memory of all samples), {@code contrast: samples | classes |
 * relaxed} (negatives are any other samples, or those of other classes, with relaxed positives),
 * {@code negatives}, {@code dimension}, {@code temperature}, {@code momentum}, and {@code
 * z_student} with {@code z_teacher}, or {@code z_momentum}, instead of Z from the first batch.
 */
final class CrdRecipe {
  private enum Contrast {
    SAMPLES,
    CLASSES,
    RELAXED
  }

  /** The smallest there can be, on which options are checked before the data are known. */
  private static final CrdLoss TRIAL = CrdLoss.forSamples(2);

  private CrdRecipe() {}

  static LossRecipe read(Fields fields) {
    UnaryOperator<CrdLoss> options = options(fields);
    if (fields.has("queue")) {
      CrdLoss loss = fields.whole("queue", TRIAL, (trial, rows) -> CrdLoss.withQueue(rows));
      if (fields.has("contrast")) {
        throw fields.wrong("contrast", "not be given with a queue", fields.text("contrast"));
      }
      return context -> options.apply(loss);
    }
    Contrast contrast = fields.choice("contrast", Contrast.class, Contrast.SAMPLES);
    return context -> options.apply(withContrast(context.labels(), contrast));
  }

  private static CrdLoss withContrast(long[] labels, Contrast contrast) {
    CrdLoss loss = CrdLoss.forSamples(labels.length);
    return switch (contrast) {
      case SAMPLES -> loss;
      case CLASSES -> loss.classes(labels);
      case RELAXED -> loss.classes(labels).relaxed();
    };
  }

  private static UnaryOperator<CrdLoss> options(Fields fields) {
    CrdLoss read = fields.whole("negatives", TRIAL, CrdLoss::negatives);
    read = fields.whole("dimension", read, CrdLoss::dimension);
    read = fields.number("temperature", read, CrdLoss::temperature);
    read = fields.number("momentum", read, CrdLoss::momentum);
    read = withZ(fields, read);
    CrdLoss options = read;
    return loss ->
        withZ(loss, options)
            .negatives(options.negatives())
            .dimension(options.dimension())
            .temperature(options.temperature())
            .momentum(options.momentum());
  }

  private static CrdLoss withZ(Fields fields, CrdLoss loss) {
    boolean isFixed = fields.has("z_student") | fields.has("z_teacher");
    if (fields.has("z_momentum")) {
      if (isFixed) {
        throw fields.wrong("z_momentum", "not be given with a fixed Z", fields.text("z_momentum"));
      }
      return fields.number("z_momentum", loss, CrdLoss::movingAverageZ);
    }
    if (!isFixed) {
      return loss;
    }
    double student = fields.number("z_student");
    double teacher = fields.number("z_teacher");
    return fields.checked("z_student", () -> loss.fixedZ(student, teacher));
  }

  private static CrdLoss withZ(CrdLoss loss, CrdLoss options) {
    return switch (options.zSource()) {
      case FIRST_BATCH -> loss;
      case FIXED -> loss.fixedZ(options.zStudent(), options.zTeacher());
      case MOVING_AVERAGE -> loss.movingAverageZ(options.zMomentum());
    };
  }
}
