#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/nn/module.h>

#include <string>

namespace retort {

/// A TorchScript class: its name and its forward, which computes what the C++ class's does, operator by operator.
struct ProgramSource {
  std::string name;
  std::string forward;
};

/// torch::nn::Linear.
ProgramSource linear_source();

/// A module as TorchScript: the same tree of parts with the same names, whose parameters and buffers are shared and
/// whose modes are taken over.
/// @param source_of the class of each part, the module itself included
torch::jit::Module program_of(const torch::nn::Module& module, ProgramSource (*source_of)(const torch::nn::Module&));

}  // namespace retort
