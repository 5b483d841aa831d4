#pragma once

#include <ATen/core/Tensor.h>
#include <retort/models/network.h>
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <mutex>
#include <optional>

#include "models/program.h"

namespace retort {

/// The versions of a network that predictions use: the last one is served until the next is published, and freed when
/// the last prediction with it has ended.
class Network::Serving {
 public:
  class Version;

  /// The version to serve; null before the first. Waits for nothing.
  std::shared_ptr<const Version> version() const { return std::atomic_load(&version_); }

  /// Copies the weights as they are now into a new version. The caller holds the network's mutex.
  void publish(Network& network);

 private:
  class StateCheck;

  std::optional<torch::jit::Module> program_;  // shares the network's tensors if it could be built once for all
  std::shared_ptr<StateCheck> state_check_;    // of the program's class
  std::shared_ptr<const Version> version_;
};

/// Weights that nobody trains.
class Network::Serving::Version {
 public:
  Version(const torch::jit::Module& program, std::shared_ptr<StateCheck> state_check, at::Device device);

  /// Logits without gradients. Any number of threads may ask at once; if the program changes its own state, they take
  /// turns.
  at::Tensor predict(const at::Tensor& images, const Refusal& refuse) const;

 private:
  torch::jit::Module program_;
  std::shared_ptr<StateCheck> state_check_;
  at::Device device_;
  mutable std::mutex turn_;
};

}  // namespace retort
