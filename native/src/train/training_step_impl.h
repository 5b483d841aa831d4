#pragma once

#include <retort/train/training_step.h>

#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/stopwatch.h"
#include "train/bound_stage.h"
#include "train/device_numbers.h"
#include "train/format_choice.h"
#include "train/gradients.h"
#include "train/images.h"
#include "train/loss_scale.h"
#include "train/random_state.h"
#include "train/staging.h"
#include "train/step_graph.h"
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
  ~Impl();

  void run(const Batch& batch, StepResult& result);
  bool finish(StepResult& result);
  /// Forward and backward pass and the update, all that may fail; fills the result as far as it comes.
  void attempt(const Batch& batch, StepResult& result);
  /// What the student makes of images, in its dtype.
  NetworkOutput learn(const at::Tensor& raw);
  /// The gradient of the weighted losses, undefined where they do not depend on a parameter.
  Gradients differentiate(const Roots& roots) const;
  static CriterionInput input_of(
      const BoundTerm& term, const Batch& batch, const NetworkOutput& taught, const NetworkOutput& learned);
  /// What criteria are told before the networks have run.
  static CriterionInput without_networks(const Batch& batch);
  /// A scalar [].
  static at::Tensor loss_of(const BoundTerm& term, const CriterionInput& input, size_t index);
  static std::string name_of_term(size_t index);
  static void check_finite(const std::string& what, double loss);
  /// Requires a batch that fits; returns how many samples have a label.
  int64_t check(const Batch& batch) const;
  void snapshot(const Batch& batch);
  void snapshot_but_random(const Batch& batch);
  void restore();
  void advance();

  // The same on a device that nobody waits for, in deferred.cpp.
  struct Deferred;
  struct DeferredStep;
  void run_deferred(const Batch& batch, StepResult computed, const Stopwatch& watch, StepResult& result);
  /// The weights of the cross-entropy and the terms of a stage in the next step.
  std::vector<double> weights_of(const BoundStage& of) const;
  /// Starts a step on the device, which is pending then.
  void enqueue(const Batch& batch, StepResult computed);
  /// Everything that a step starts on the device, where the batch is; returns the numbers that read() reads.
  /// @param records whether a graph is made of it instead of doing it
  at::Tensor start(const Batch& batch, DeferredStep& step, bool records);
  /// Does the step by a graph, if there is one for such batches; returns whether that is so.
  bool launch_graph(const Batch& batch, DeferredStep& step);
  void record_graph(const std::vector<int64_t>& signature, const Batch& batch, const DeferredStep& like);
  /// Waits for the step's numbers and checks them.
  void read(DeferredStep& step);
  /// Waits for the pending step, if there is one, and takes over that it has succeeded or failed.
  void settle();
  /// Throws what the last step has failed of, once.
  void rethrow_failure();
  std::string graph_obstacle() const;
  /// Concludes a step with the error that is being handled.
  void fail(DeferredStep step);
  void undo(const DeferredStep& step);
  /// The networks whose buffers a step may change.
  std::vector<Network*> changing_networks() const;
  void release_snapshots() const;

  void save(const std::string& path, const std::string& note);
  std::string load(const std::string& path);

  /// This step's mutex and, where they are needed, both networks'.
  class Lock;
  /// The lock, with nothing pending.
  std::unique_ptr<Lock> settled(bool reads_networks = true);

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
  /// Null where a step is computed at once.
  std::unique_ptr<Deferred> deferred;
};

/// A step whose numbers are not read yet.
struct TrainingStep::Impl::DeferredStep {
  StepResult result;
  bool has_cross_entropy = false;
  bool updates = false;
  /// The accumulated gradients, if it does not update.
  Gradients sum = {};
  /// Once they are read.
  bool has_finite_loss = false;
};

struct TrainingStep::Impl::Deferred {
  explicit Deferred(const Impl& step);
  /// Forgets what the last step left, since the step is another now.
  void forget();

  SentNumbers sent;
  FetchedNumbers fetched;
  LossScale loss_scale;
  StartOrder order;
  StepGraph graph;
  std::optional<DeferredStep> pending;
  // Of the last step that is not pending any more, until somebody asks for it:
  std::optional<StepResult> finished;
  std::exception_ptr failure;
};

class TrainingStep::Impl::Lock {
 public:
  explicit Lock(Impl& step, bool with_networks = true);
  /// What was started on a device while it was held comes before what will be started then.
  ~Lock();

 private:
  Impl& impl_;
  std::lock_guard<std::mutex> step_;
  std::unique_lock<std::mutex> student_;
  std::unique_lock<std::mutex> teacher_;
};

}  // namespace retort
