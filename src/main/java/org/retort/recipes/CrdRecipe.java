package org.retort.recipes;

import java.util.function.UnaryOperator;
import org.retort.losses.CrdLoss;

/**
 * {@code queue} (rows, instead of a memory of all samples), {@code contrast: samples | classes |
 * relaxed} (negatives are any other samples, or those of other classes, with relaxed positives),
 * {@code negatives}, {@code dimension}, {@code temperature}, {@code momentum}, {@code memory_dtype:
 * float32 | bfloat16}, and {@code z_student} with {@code z_teacher}, or {@code z_momentum}, instead
 * of Z from the first batch.
 */
final class CrdRecipe {
  private enum Contrast {
    SAMPLES,
    CLASSES,
    RELAXED
  }

  /** The smallest possible loss, used to check options before the data are known. */
  private static final CrdLoss TRIAL = CrdLoss.forSamples(2);

  private CrdRecipe() {}

  static LossRecipe read(Fields fields) {
    UnaryOperator<CrdLoss> options = options(fields);
    if (fields.has("queue")) {
      CrdLoss loss = fields.whole("queue", TRIAL, (trial, rows) -> CrdLoss.forQueue(rows));
      if (fields.has("contrast")) {
        throw fields.wrong("contrast", "not be given with a queue", fields.text("contrast"));
      }
      return context -> options.apply(atLeastABatch(loss, context.batch()));
    }
    Contrast contrast = fields.choice("contrast", Contrast.class, Contrast.SAMPLES);
    return context -> options.apply(withContrast(context.labels(), contrast));
  }

  private static CrdLoss atLeastABatch(CrdLoss loss, int batch) {
    if (loss.queue() < batch) {
      throw new IllegalArgumentException(
          "queue must be at least a batch of " + batch + " (got " + loss.queue() + ")");
    }
    return loss;
  }

  private static CrdLoss withContrast(long[] labels, Contrast contrast) {
    CrdLoss loss = CrdLoss.forSamples(labels.length);
    return switch (contrast) {
      case SAMPLES -> loss;
      case CLASSES -> loss.withClasses(labels);
      case RELAXED -> loss.withClasses(labels).withRelaxed(true);
    };
  }

  private static UnaryOperator<CrdLoss> options(Fields fields) {
    CrdLoss read = fields.whole("negatives", TRIAL, CrdLoss::withNegatives);
    read = fields.whole("dimension", read, CrdLoss::withDimension);
    read = fields.number("temperature", read, CrdLoss::withTemperature);
    read = fields.number("momentum", read, CrdLoss::withMomentum);
    read = fields.choice("memory_dtype", read, CrdLoss.MemoryDtype.class, CrdLoss::withMemoryDtype);
    read = withZ(fields, read);
    CrdLoss options = read;
    return loss ->
        loss.withZ(options.z())
            .withNegatives(options.negatives())
            .withDimension(options.dimension())
            .withTemperature(options.temperature())
            .withMomentum(options.momentum())
            .withMemoryDtype(options.memoryDtype());
  }

  private static CrdLoss withZ(Fields fields, CrdLoss loss) {
    boolean isFixed = fields.has("z_student") | fields.has("z_teacher");
    if (fields.has("z_momentum")) {
      if (isFixed) {
        throw fields.wrong("z_momentum", "not be given with a fixed Z", fields.text("z_momentum"));
      }
      return fields.number(
          "z_momentum", loss, (base, momentum) -> base.withZ(CrdLoss.Z.movingAverage(momentum)));
    }
    if (!isFixed) {
      return loss;
    }
    double student = fields.number("z_student");
    double teacher = fields.number("z_teacher");
    return fields.checked("z_student", () -> loss.withZ(CrdLoss.Z.fixed(student, teacher)));
  }
}
