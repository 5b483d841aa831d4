#pragma once

#include <retort/models/network.h>
#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace retort {

/// What a network knows about its program beyond what it can see by running it.
struct ProgramTraits {
  /// Of the Java class, for error messages.
  const char* name = "TorchScriptNetwork";
  /// Names for the features that the program returns, or a selection of a dict's keys; those that it returns if empty.
  std::vector<std::string> tap_names;
  /// Without the batch; a size that may vary is nothing. Unknown if empty.
  std::vector<std::optional<int64_t>> input_shape;
  std::optional<NetworkStructure> structure;
  /// Why the network can't be a student; empty if it can.
  std::string cannot_learn;
};

/// A network that runs a TorchScript program `(images) -> (logits, features)`.
std::shared_ptr<Network> program_network(const torch::jit::Module& program, ProgramTraits traits);

}  // namespace retort
