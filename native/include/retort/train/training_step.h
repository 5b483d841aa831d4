#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>
#include <retort/models/network.h>
#include <retort/train/sgd.h>
#include <torch/ordered_dict.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// One weighted distillation loss of a training step.
struct RETORT_API Term {
  /// Finite and >= 0.
  double weight = 1.0;
  std::shared_ptr<CriterionOptions> criterion;
  /// Names of the student's taps that the criterion compares, in its order; empty for losses on logits.
  std::vector<std::string> student_taps;
  /// Names of the teacher's taps.
  std::vector<std::string> teacher_taps;
};

/// What a training step is made of.
struct RETORT_API TrainingStepOptions {
  /// The network to train.
  std::shared_ptr<Network> student;
  /// The network to learn from; may be null if there are no terms.
  std::shared_ptr<Network> teacher;
  /// Shape of one input, without the batch.
  std::vector<int64_t> input_shape;
  /// Weight of the cross-entropy with the labels, the mean over the labelled samples; 0 to train without labels.
  double cross_entropy = 1.0;
  std::vector<Term> terms;
  SgdOptions optimizer;
};

/// The tensors of one step. They are read, never changed or kept.
struct RETORT_API Batch {
  /// [B, ...input_shape], in the student's dtype and on its device.
  at::Tensor images;
  /// int64 [B], classes from 0, or -1 for a sample without a label, which takes part in the distillation terms only.
  /// May be undefined if the weight of the cross-entropy is 0.
  at::Tensor labels;
  /// int64 [B], the samples' rows in the data set; may be undefined if no term needs them.
  at::Tensor indices;
  /// int64 [B, K+1], rows to contrast with, the positive first; may be undefined if no term needs them.
  at::Tensor contrast;
};

/// What one step computed.
struct RETORT_API StepResult {
  /// The weighted sum of all parts.
  double total = 0.0;
  /// Mean cross-entropy of the labelled samples; 0 if there are none or if its weight is 0.
  double cross_entropy = 0.0;
  /// Every term's value before its weight, in the order of the terms.
  std::vector<double> terms;
  /// Number of labelled samples whose label the student's logits predicted in this step.
  int64_t correct = 0;
  /// Number of labelled samples.
  int64_t labeled = 0;
  /// The learning rate that this step used.
  double learning_rate = 0.0;
};

/// Trains a student with a teacher: teacher forward, student forward, weighted losses, backward, checks, SGD.
///
/// The teacher runs in evaluation mode without gradients, the student in training mode; both modes are restored.
/// Calls are serialised, and hold the mutexes of both networks. Gradients live inside the call: the parameters' own
/// `grad` is neither read nor written.
///
/// A step that fails changes nothing: parameters, buffers, optimizer, criteria, the default generator of the student's
/// device and the step count are then, bit for bit, what they were before.
class RETORT_API TrainingStep {
 public:
  /// Probes the networks, builds the criteria and prepares the optimizer.
  /// @throws c10::ValueError if an option is missing or out of range, a tap does not exist, a network does not return
  ///     logits and features, or nothing is left to train
  explicit TrainingStep(TrainingStepOptions options);
  ~TrainingStep();
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;

  /// Does one step.
  /// @param result overwritten once the step has succeeded
  /// @throws c10::ValueError if the batch does not fit or the loss or a gradient is not finite
  /// @throws c10::Error if LibTorch fails
  void run(const Batch& batch, StepResult& result);

  /// Shape of one input, without the batch.
  const std::vector<int64_t>& input_shape() const;
  /// Number of steps that succeeded.
  int64_t steps() const;
  /// The learning rate that the next step will use.
  double learning_rate() const;
  /// Number of terms.
  int64_t term_count() const;
  /// The criterion of a term, with its parameters and buffers.
  /// @throws c10::ValueError if there is no such term
  std::shared_ptr<Criterion> criterion(int64_t term) const;
  /// Everything the step changes, by name: `student.NAME`, `terms.INDEX.NAME`, `momentum.student.NAME`,
  /// `momentum.terms.INDEX.NAME`. The tensors share the step's memory.
  torch::OrderedDict<std::string, at::Tensor> state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace retort
