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

/// The cross-entropy with the labels, as a part of the loss of a training step.
struct RETORT_API CrossEntropyTerm {
  /// Finite and >= 0; 0 to train without labels.
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
  /// The mean of the probabilities at the temperature T of the loss, softmax(logits / T): the loss is given
  /// T * log(mean), the logits that T softens to this mean. For losses that soften the teacher's logits and use them
  /// in no other way (Criterion::temperature).
  kProbabilities,
};

/// One weighted distillation loss of a training step.
struct RETORT_API Term {
  /// Finite and >= 0.
  double weight = 1.0;
  std::shared_ptr<CriterionOptions> criterion;
  /// Names of the student's taps that the criterion compares, in its order; empty for losses on logits.
  std::vector<std::string> student_taps;
  /// Names of the teacher's taps.
  std::vector<std::string> teacher_taps;
  /// How the weight changes over the steps of the stage.
  Schedule schedule = {};
  /// The names of the teachers that the term learns from: one, or those that teacher_mean mixes. By default all, which
  /// without a mean must be one.
  std::vector<std::string> teachers = {};
  /// For a term without taps: what is mixed of its teachers, which must have the same number of classes.
  TeacherMean teacher_mean = TeacherMean::kNone;
};

/// What is trained, with which losses and how. Training begins with one stage, and more may follow, each with its own
/// losses and optimizer. FSP's paper and RepDistiller, for example, first train the layers with FSP alone, then the
/// whole student with the cross-entropy.
struct RETORT_API Stage {
  /// Number of updates after which the next stage begins; 0 for the last, which has no end.
  int64_t steps = 0;
  CrossEntropyTerm cross_entropy;
  std::vector<Term> terms;
  std::shared_ptr<OptimizerOptions> optimizer = std::make_shared<SgdOptions>();
  /// Names of the student's parameters or modules that are trained, e.g. `layer1`; empty for all. The others stay as
  /// they are, and modules among them are in evaluation mode. Criteria's own parameters are always trained.
  std::vector<std::string> trained;
};

}  // namespace retort
