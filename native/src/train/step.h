#pragma once

#include <c10/util/SmallVector.h>
#include <retort/train/training_step.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distributed/batch_norm.h"
#include "io/checkpoint_file.h"
#include "models/network_state.h"
#include "models/preprocessor.h"
#include "train/bound_stage.h"
#include "train/format_choice.h"
#include "train/gradients.h"
#include "train/loss_scale.h"
#include "train/numbers.h"
#include "train/participants.h"
#include "train/staging.h"
#include "train/start_order.h"
#include "train/step_graph.h"
#include "train/step_numbers.h"
#include "train/step_ranks.h"
#include "train/teachers.h"
#include "train/transaction.h"

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

/// A batch on its way through a step, until it is closed.
struct Attempt {
  StepResult result;
  /// Rolls back unless the step succeeds.
  Transaction transaction;
  /// Which losses of the stage there are for the batch.
  c10::SmallVector<bool, 8> applies;
  /// Whether the parameters are updated.
  bool updates = false;
  /// The gradients of all batches so far, if they are not.
  Gradients sum;
  /// On the CPU, of the student alone.
  int64_t student_nanoseconds = 0;
  /// Whether the numbers are in the result, and whether the losses among them are finite.
  bool is_read = false;
  bool has_finite_losses = false;
  bool has_finite_gradients = false;
  /// What went wrong with the numbers before they were all there.
  std::exception_ptr error;
};

/// What a step works with on its device.
struct Work {
  Batch batch;
  /// What the losses of the stage are given.
  std::vector<CriterionInput> inputs;
  Gradients gradients;
  std::vector<Optimizer::Work> update;
  /// What the device finds out for itself, float32 [], 1 if the step has failed; undefined if that is known before the
  /// update.
  at::Tensor failed;
};

/// What a training step is made of. The acts of a step are in step.cpp, the rest in files called step_….cpp.
struct TrainingStep::Impl final : PendingOwner, std::enable_shared_from_this<Impl> {
  Impl(TrainingStepOptions given, const PlaceAmongRanks& place);

  void run(const Batch& batch, StepResult& result);
  bool finish(StepResult& result);
  /// Copies what TrainingStep::save writes.
  /// @param function the caller's name, for error messages
  Checkpoint copy_state(const char* function, const std::string& note);
  /// TrainingStep::load.
  /// @param read returns what was saved; called on the first rank only
  /// @param name of the file, for error messages
  std::string load(const std::function<Checkpoint()>& read, const std::string& name);
  std::string resume(Checkpoint checkpoint, const std::string& name);
  std::unique_lock<std::mutex> settle_and_lock(const Network& network, bool waits) override;

  // ---- the acts of a step, in step.cpp ------------------------------------------------------------------------------

  void take(const Batch& batch, Attempt& attempt);
  void learn(Attempt& attempt, Work& work);
  void agree(Attempt& attempt, Work& work);
  void decide(Attempt& attempt, Work& work, bool records);
  void close(Attempt attempt);

  /// Requires a batch that fits; returns how many samples have a label. In step_batch.cpp.
  int64_t check(const Batch& batch) const;
  CriterionBatch criterion_batch(const Batch& batch) const;
  /// Begins the step on all ranks, whose whole batch the attempt is then of.
  void meet(const CriterionBatch& own, Attempt& attempt);
  /// The buffers that the step changes by this rank's part of the batch alone.
  std::vector<at::Tensor> own_buffers_of_networks() const;
  std::vector<at::Tensor> own_buffers_of_criteria() const;
  /// What a step starts on its device: learn, agree, decide and the update.
  /// @param batch on the device
  /// @param records whether a CUDA graph is made of it
  void perform(Attempt& attempt, Batch batch, bool records);
  /// Sends the device the weights of the losses and so on.
  void send_numbers(const Attempt& attempt);
  CriterionInput input_of(
      const BoundLoss& loss, const Batch& batch, const Taught& taught, const NetworkOutput& learned) const;
  NetworkOutput outputs_of_student(const at::Tensor& raw);
  /// Waits for the numbers, and checks them.
  /// @throws NonFiniteError if one is not finite
  void read(Attempt& attempt);
  /// Closes an attempt whose numbers are not finite.
  void give_up(Attempt attempt, std::exception_ptr error);
  void advance();

  // ---- the same by a CUDA graph, in step_recording.cpp --------------------------------------------------------------

  /// Returns whether there is a graph for such batches.
  bool replay(const Batch& batch, Attempt& attempt);
  void record(const StepGraph::Signature& signature, const Batch& batch, Attempt& attempt);

  // ---- who holds the networks, and what is pending, in step_pending.cpp ---------------------------------------------

  /// This step's mutex and, where they are needed, all networks'.
  class Lock;
  /// Locks, with nothing pending, be it here or, on networks that are read, elsewhere.
  std::unique_ptr<Lock> lock_settled(bool reads_networks = true);
  /// Closes the pending attempt, if there is one.
  void settle();
  /// Throws the error of the last step if it has failed, once.
  void rethrow_failure();
  /// Tells the networks that the pending attempt may roll back.
  void mark_pending();
  /// Tells them that it won't any more.
  void unmark_pending();

  BoundStage& stage() { return stages[static_cast<size_t>(progress.stage)]; }
  const BoundStage& stage() const { return stages[static_cast<size_t>(progress.stage)]; }
  /// The place of the gradient of a loss as a root of the backward pass.
  int64_t factor_place(int64_t loss) const { return kWeights + static_cast<int64_t>(stage().losses.size()) + loss; }
  double learning_rate() const { return stage().optimizer->learning_rate(progress.steps_of_stage); }
  /// TrainingStep::state() with the optimizer of a stage.
  torch::OrderedDict<std::string, at::Tensor> state(int64_t at_stage) const;
  /// Student and teachers, as far as they are here, by what checkpoints call them.
  std::vector<std::pair<std::string, Network*>> networks() const;
  /// Whether this process writes and reads files for all ranks.
  bool is_first_rank() const { return !ranks || ranks->rank() == 0; }
  /// Calls what all ranks do together, and tells them if it fails on this one.
  template <typename Call>
  auto together(const Call& call) {
    if (!ranks) return call();
    ranks->enter();
    try {
      return call();
    } catch (...) {
      ranks->fail(std::current_exception());
      throw;
    }
  }
  /// Whether numbers are read as soon as they are computed, since that costs nothing.
  bool reads_at_once() const { return device.is_cpu() && !options.late_results; }

  const TrainingStepOptions options;
  const at::TensorOptions student_tensors;
  const c10::Device device;
  /// A parameter, if there is one, by which a change of the student's dtype is noticed.
  const at::Tensor sample_of_student;
  const int64_t classes;

  // What a batch goes through:
  Preprocessor images;
  Staging staging;
  Teachers teachers;
  std::vector<BoundStage> stages;
  /// The options as text, taken once they are checked: criteria's and optimizers' owners may change theirs.
  const std::string configuration;
  GivenNumbers given;
  FoundNumbers found;
  StepGraph graph;
  StartOrder order;

  // What a step changes:
  std::vector<std::shared_ptr<Criterion>> criteria;
  Accumulation accumulation;
  Progress progress;
  LossScale loss_scale;
  FormatChoice student_format;

  /// Null if there is one process.
  std::unique_ptr<StepRanks> ranks;

  // Who takes part in a transaction beside teachers and criteria:
  NetworkParticipant student_participant;
  RandomParticipant random_participant;
  RollBackParticipant graph_participant;

  /// The last step, if its numbers were not waited for.
  std::optional<Attempt> pending;
  /// The result of the last step that is not pending any more, until it is reported.
  std::optional<StepResult> finished;
  std::exception_ptr failure;

  std::mutex mutex;
  /// In the order of their places in memory, since another step may use the same ones with other roles.
  const std::vector<std::mutex*> mutexes_of_networks;
};

class TrainingStep::Impl::Lock {
 public:
  explicit Lock(Impl& step, bool with_networks = true);
  /// All of them if nobody holds one; else null.
  static std::unique_ptr<Lock> of_free(Impl& step);

  /// Hands over what is held of one of the networks.
  std::unique_lock<std::mutex> take(const Network& network);

 private:
  Lock(Impl& step, std::defer_lock_t);

  Impl& impl_;
  std::unique_lock<std::mutex> step_;
  /// In the order of Impl::mutexes_of_networks.
  c10::SmallVector<std::unique_lock<std::mutex>, 4> networks_;
  std::optional<StartOrder::Turn> turn_;
};

}  // namespace retort
