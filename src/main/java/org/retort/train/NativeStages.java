package org.retort.train;

import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleVector;
import org.retort.bindings.NativeAdamOptions;
import org.retort.bindings.NativeCrossEntropyTerm;
import org.retort.bindings.NativeOptimizerOptions;
import org.retort.bindings.NativeParameterGroup;
import org.retort.bindings.NativeParameterGroupVector;
import org.retort.bindings.NativeSchedule;
import org.retort.bindings.NativeSgdOptions;
import org.retort.bindings.NativeStage;
import org.retort.bindings.NativeTerm;
import org.retort.bindings.NativeTermVector;
import org.retort.bindings.global.retort.NativeTeacherMean;
import org.retort.internal.NativeCriteria;
import org.retort.internal.NativeEnums;
import org.retort.internal.NumberLists;
import org.retort.internal.StringLists;

/** Maps stages and everything they contain to native structs. */
final class NativeStages {
  private NativeStages() {}

  /** Writes a stage. */
  static void write(Stage stage, NativeStage to) {
    write(stage.crossEntropy(), to.cross_entropy());
    NativeTermVector terms = to.terms();
    terms.resize(stage.terms().size());
    for (int i = 0; i < stage.terms().size(); i++) {
      write(stage.terms().get(i), terms.get(i));
    }
    try (NativeOptimizerOptions optimizer = optimizer(stage.optimizer())) {
      to.optimizer(optimizer);
    }
    StringLists.give(stage.trainOnly(), to::trained);
    to.steps(stage.steps());
  }

  private static void write(CrossEntropy crossEntropy, NativeCrossEntropyTerm to) {
    to.weight(crossEntropy.weight());
    to.options().label_smoothing(crossEntropy.labelSmoothing());
    try (DoubleVector weights = NumberLists.doubles(crossEntropy.classWeights())) {
      to.options().class_weights(weights);
    }
    give(crossEntropy.schedule(), to::schedule);
  }

  private static void write(Term term, NativeTerm to) {
    to.weight(term.weight()).criterion(NativeCriteria.of(term.loss()));
    StringLists.give(term.taps().student(), to::student_taps);
    StringLists.give(term.taps().teacher(), to::teacher_taps);
    give(term.schedule(), to::schedule);
    StringLists.give(term.teachers(), to::teachers);
    term.teacherMean()
        .ifPresent(mean -> to.teacher_mean(NativeEnums.of(mean, NativeTeacherMean.class)));
  }

  /** Creates new options, which the caller closes. */
  static NativeOptimizerOptions optimizer(Optimizer optimizer) {
    NativeOptimizerOptions options =
        optimizer instanceof Adam adam ? adam(adam) : sgd((Sgd) optimizer);
    options
        .learning_rate(optimizer.learningRate())
        .weight_decay(optimizer.weightDecay())
        .decay_norms_and_biases(optimizer.decayNormsAndBiases());
    give(optimizer.schedule(), options::schedule);
    NativeParameterGroupVector groups = options.groups();
    groups.resize(optimizer.groups().size());
    for (int i = 0; i < optimizer.groups().size(); i++) {
      write(optimizer.groups().get(i), groups.get(i));
    }
    return options;
  }

  private static NativeOptimizerOptions sgd(Sgd sgd) {
    return new NativeSgdOptions().momentum(sgd.momentum()).nesterov(sgd.nesterov());
  }

  private static NativeOptimizerOptions adam(Adam adam) {
    return new NativeAdamOptions()
        .beta1(adam.beta1())
        .beta2(adam.beta2())
        .epsilon(adam.epsilon())
        .decoupled(adam.decoupled());
  }

  private static void write(ParameterGroup group, NativeParameterGroup to) {
    StringLists.give(group.names(), to::names);
    to.learning_rate_factor(group.learningRateFactor());
    to.weight_decay_factor(group.weightDecayFactor());
  }

  /** Passes a schedule to a setter, which must copy it at once. */
  @SuppressWarnings("try") // the scope works by being open
  static void give(Schedule schedule, Consumer<NativeSchedule> setter) {
    try (PointerScope scope = new PointerScope()) {
      setter.accept(shape(schedule).with_warmup(schedule.warmup(), schedule.warmupFactor()));
    }
  }

  private static NativeSchedule shape(Schedule schedule) {
    return switch (schedule.kind()) {
      case CONSTANT -> NativeSchedule.constant();
      case STEP -> NativeSchedule.step(schedule.period(), schedule.factor());
      case MILESTONES ->
          NativeSchedule.at_milestones(NumberLists.longs(schedule.milestones()), schedule.factor());
      case COSINE -> NativeSchedule.cosine(schedule.period(), schedule.finalFactor());
    };
  }
}
