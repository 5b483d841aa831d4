#pragma once

#include <ATen/core/Tensor.h>
#include <retort/models/network.h>
#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/preprocessor.h"
#include "models/torchscript/program.h"

namespace retort {

class FusedProgram;

/// The versions of a network that predictions use: the last one is served until the next is published, and freed when
/// the last prediction with it has ended. For who holds the network's mutex, unless it says otherwise.
class Serving {
 public:
  class Version;

  /// The version to serve; null if there is none. Waits for nothing and needs no mutex.
  std::shared_ptr<const Version> version() const { return std::atomic_load(&version_); }

  /// Makes a version of the weights as they are now.
  void publish(Network& network);
  /// Makes a version of a network on which publish() was never called, unless the last one is of the same weights.
  /// Returns the version to serve, or null if there is none, since the network has no program or it can't be copied.
  std::shared_ptr<const Version> publish_itself(Network& network);
  /// What computes the same as the network in evaluation mode with fewer passes over memory; null if there is nothing
  /// of the kind.
  const FusedProgram* fused_program(Network& network);
  /// Unless it is known that there is none.
  bool may_have_fused_program() const { return !has_no_program_ && (!fused_ || *fused_); }
  /// Makes a version of other weights if there is one.
  void publish_again(Network& network);

 private:
  class StateCheck;

  /// What tells that a network has changed.
  struct Fingerprint {
    int64_t revision = 0;
    std::string attributes;
    std::vector<std::pair<at::Tensor, int64_t>> tensors;
  };

  void make_version(Network& network, bool by_itself);
  /// Makes the program, or makes it anew if the network has other tensors.
  void update_program(Network& network);
  bool is_current(const Network& network) const;

  std::optional<torch::jit::Module> program_;  // shares the network's tensors if it could be built once for all
  std::shared_ptr<StateCheck> state_check_;    // of the program's class
  std::shared_ptr<const Version> version_;
  Fingerprint fingerprint_;  // of that version
  bool has_no_program_ = false;
  std::optional<std::shared_ptr<const FusedProgram>> fused_;  // of the program, once tried; null if there is none
};

/// Weights that are not trained any more.
class Serving::Version {
 public:
  Version(
      const torch::jit::Module& program, std::shared_ptr<StateCheck> state_check,
      std::shared_ptr<const Preprocessor> preprocessor, at::TensorOptions tensors, at::MemoryFormat of_maps,
      bool by_itself);

  /// Whether the network has published it by itself.
  bool is_by_itself() const { return by_itself_; }

  /// The input for images, prepared as the network did when it was published, or as is `given`.
  at::Tensor input_for(const at::Tensor& images, const Preprocessor* given) const {
    return (given ? *given : *preprocessor_).input_for(images, tensors_, of_maps_);
  }

  /// Logits without gradients. Any number of threads may ask at once; if the program changes its own state, they take
  /// turns.
  at::Tensor predict(const at::Tensor& input, const Refusal& refuse) const;

 private:
  torch::jit::Module program_;
  std::shared_ptr<StateCheck> state_check_;
  std::shared_ptr<const Preprocessor> preprocessor_;
  at::TensorOptions tensors_;
  at::MemoryFormat of_maps_;
  bool by_itself_;
  mutable std::mutex one_at_a_time_;
};

}  // namespace retort
