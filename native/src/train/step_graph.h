#pragma once

#include <ATen/core/Tensor.h>
#include <retort/train/training_step.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/cuda_graph.h"
#include "train/staging.h"

namespace retort {

/// The work of a step on its device as a CUDA graph, once several batches in a row have had the same shapes.
class StepGraph {
 public:
  /// What has to be the same for a batch to be trained with by a graph.
  using Signature = std::vector<int64_t>;

  /// @param obstacle why there can never be a graph, if there is a reason
  StepGraph(c10::Device device, std::string obstacle)
      : device_(device), lasting_obstacle_(std::move(obstacle)), obstacle_(lasting_obstacle_) {}

  /// Why no graph is made; empty if nothing is known to prevent it.
  const std::string& obstacle() const { return obstacle_; }

  /// Notes that a batch comes; whether it is time to record a graph for those like it.
  bool is_time_to_record(const Signature& signature);
  /// Whether there is a graph for such batches.
  bool fits(const Signature& signature) const { return work_ && signature == recorded_; }
  /// Whether a tensor of the networks lies elsewhere than when the graph was recorded, which would not notice.
  bool has_moved() const;

  /// Records what `work` starts for a batch like this, which it is given at the places from where the graph will read
  /// batches, and what `roll_back` starts to restore what the work changed but the optimizer's part. If that fails,
  /// there is an obstacle.
  /// @param tensors of the networks
  void record(
      const Signature& signature, const Batch& batch, std::vector<at::Tensor> tensors,
      const std::function<void(const Batch&)>& work, const std::function<void()>& roll_back);

  /// Begins to count anew how many batches in a row have been alike. For batches that failed, since they may not have
  /// prepared all that a graph uses again.
  void forget_batches();

  /// Does the work for another batch of the recorded shape.
  void launch(Staging& staging, const Batch& batch);
  void roll_back() const { roll_back_->launch(); }

  /// Forgets the graph, to record another.
  void drop();
  /// The same, for good; the first obstacle counts.
  void give_up(std::string obstacle);
  /// The same for other work, which may have no obstacle.
  void start_over();

 private:
  /// The first batches prepare what the others use again.
  static constexpr int64_t kBatchesBefore = 3;

  c10::Device device_;
  const std::string lasting_obstacle_;
  std::string obstacle_;
  Signature last_;
  int64_t like_last_ = 0;
  Signature recorded_;
  Batch batch_;
  std::vector<std::pair<at::Tensor, const void*>> places_;
  /// In which all is recorded: what LibTorch prepares for a stream is then prepared once.
  std::optional<c10::Stream> stream_;
  std::unique_ptr<CudaGraph> work_, roll_back_;
};

}  // namespace retort
