package org.retort.examples;

import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.models.Network;
import org.retort.models.Preprocessing;
import org.retort.train.Precision;
import org.retort.train.Taps;
import org.retort.train.Teacher;
import org.retort.train.TeacherMean;
import org.retort.train.Term;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingStepBuilder;

/** The example of several teachers in docs/training.md. */
final class TeachersExample {
  private TeachersExample() {}

  static TrainingStepBuilder builder(Network student, Network fine, Network coarse) {
    TrainingStepBuilder builder =
        TrainingStep.builder(
                student,
                Teacher.of("fine", fine).withWeight(2).withPrecision(Precision.BFLOAT16),
                Teacher.of("coarse", coarse).withPreprocessing(Preprocessing.of(3, 16, 16)))
            .inputShape(3, 32, 32)
            .add(Term.of(1, KdLoss.of(4)).withTeacherMean(TeacherMean.PROBABILITIES))
            .add(Term.of(50, NstLoss.polynomial()).withTaps(Taps.of("layer3")).withTeacher("fine"));
    return builder;
  }
}
