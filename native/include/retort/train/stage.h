#pragma once

#include <retort/export.h>
#include <retort/losses/criterion.h>
#include <retort/losses/cross_entropy.h>
#include <retort/train/optimizer.h>
#include <retort/train/schedule.h>
#include <retort/train/sgd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// The cross-entropy with the labels, as part of the loss of a training step.
struct RETORT_API CrossEntropyTerm {
  /// Finite and >= 0; 0 trains without labels.
  double weight = 1.0;
  CrossEntropyOptions options;
  /// How the weight changes over the steps of the stage.
  Schedule schedule = {};
};

/// The mean of several teachers' logits, weighted by TeacherOptions::weight.
enum class TeacherMean {
  /// No mean: the term learns from one teacher.
  kNone,
  /// The mean of the logits.
  kLogits,
  /// The mean of the probabilities at the temperature T of the loss, softmax(logits / T): the loss is given T *
  /// log(mean), the logits that T softens to this mean. For losses that use the teacher's logits only softened by the
  /// temperature (Criterion::temperature).
  kProbabilities,
};

/// One weighted distillation loss of a training step.
struct RETORT_API Term {
  /// Finite and >= 0.
  double weight = 1.0;
  std::shared_ptr<CriterionOptions> criterion;
  /// Names of the student's taps that the criterion compares, in order; empty for losses on logits.
  std::vector<std::string> student_taps;
  /// Names of the teacher's taps.
  std::vector<std::string> teacher_taps;
  /// How the weight changes over the steps of the stage.
  Schedule schedule = {};
  /// The names of the teachers that the term learns from: one, or those that teacher_mean mixes. If empty, all teachers
  /// of the step, which without a mean must have only one.
  std::vector<std::string> teachers = {};
  /// The kind of mean of several teachers, which must have the same number of classes. Only for terms without taps.
  TeacherMean teacher_mean = TeacherMean::kNone;
};

/// A stage of training: the parts of the student that are trained, the losses and the optimizer. Training has one
/// stage, or several in succession; the FSP paper and RepDistiller, for example, first train the layers with FSP alone,
/// then the whole student with the cross-entropy.
struct RETORT_API Stage {
  /// Number of updates after which the next stage begins; 0 for the last stage, which has no end.
  int64_t steps = 0;
  CrossEntropyTerm cross_entropy;
  std::vector<Term> terms;
  std::shared_ptr<OptimizerOptions> optimizer = std::make_shared<SgdOptions>();
  /// Names of the student's parameters or modules that are trained, e.g. `layer1`; empty for all. The others remain
  /// unchanged, and modules among them are in evaluation mode. Parameters of the criteria are always trained.
  std::vector<std::string> trained;
};

}  // namespace retort
