#pragma once

#include <retort/train/training_step.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "train/bound_stage.h"
#include "train/format_choice.h"
#include "train/gradients.h"
#include "train/images.h"
#include "train/random_state.h"
#include "train/staging.h"
#include "train/teacher.h"

namespace retort {

/// How far a training has come.
struct Progress {
  /// Updates in all stages.
  int64_t steps = 0;
  /// Place among the stages.
  int64_t stage = 0;
  /// Updates in this stage.
  int64_t steps_of_stage = 0;
};

/// Where the backward pass begins, and with what.
struct Roots {
  void add(const at::Tensor& tensor, at::Tensor gradient) {
    ++losses;
    if (!tensor.requires_grad()) return;
    tensors.push_back(tensor);
    gradients.push_back(std::move(gradient));
  }

  /// Those of constants included.
  int64_t losses = 0;
  std::vector<at::Tensor> tensors;
  Gradients gradients;
};

struct TrainingStep::Impl {
  explicit Impl(TrainingStepOptions given);

  void run(const Batch& batch, StepResult& result);
  /// Forward and backward pass and the update, all that may fail; fills the result as far as it comes.
  /// @param given the batch where the caller has it
  /// @param batch the same on the student's device
  void attempt(const Batch& given, const Batch& batch, StepResult& result);
  /// What the student makes of images, in its dtype.
  NetworkOutput learn(const at::Tensor& raw);
  /// The gradient of the weighted losses, undefined where they do not depend on a parameter.
  Gradients differentiate(const Roots& roots) const;
  /// Requires a batch that fits; returns how many samples have a label.
  int64_t check(const Batch& batch) const;
  void snapshot();
  void restore();
  void advance();

  void save(const std::string& path, const std::string& note);
  std::string load(const std::string& path);

  /// Both networks' mutexes, and this step's.
  class Lock;

  BoundStage& stage() { return stages[static_cast<size_t>(progress.stage)]; }
  const BoundStage& stage() const { return stages[static_cast<size_t>(progress.stage)]; }
  double learning_rate() const { return stage().optimizer->learning_rate(progress.steps_of_stage); }
  at::Generator generator() const;
  /// TrainingStep::state() with the optimizer of a stage.
  torch::OrderedDict<std::string, at::Tensor> state(int64_t at_stage) const;
  torch::OrderedDict<std::string, at::Tensor> changing(int64_t at_stage) const;
  /// Student and, if there is one, teacher by these names.
  std::vector<std::pair<std::string, Network*>> networks() const;

  TrainingStepOptions options;
  at::TensorOptions student_tensors;
  /// A parameter, if there is one, by which a change of the student's dtype is noticed.
  at::Tensor sample_of_student;
  int64_t classes = 0;
  ImagePreparation images;
  Staging staging;
  std::unique_ptr<Teacher> teacher;
  std::vector<BoundStage> stages;
  std::vector<std::shared_ptr<Criterion>> criteria;
  FormatChoice student_format;
  Accumulation accumulation;
  Progress progress;
  RandomState saved_random;
  std::mutex mutex;
};

class TrainingStep::Impl::Lock {
 public:
  explicit Lock(Impl& step);

 private:
  std::lock_guard<std::mutex> step_;
  std::unique_lock<std::mutex> student_;
  std::unique_lock<std::mutex> teacher_;
};

}  // namespace retort
