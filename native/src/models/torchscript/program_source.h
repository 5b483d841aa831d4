#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/nn/module.h>

#include <string>

namespace retort {

/// A TorchScript class: its name and its forward, which computes what the C++ class's does, operator by operator.
struct ProgramSource {
  std::string name;
  /// Empty for a part that is never called itself.
  std::string forward;
};

/// A module of Retort's own that can be written as a TorchScript class.
class Scripted {
 public:
  virtual ~Scripted() = default;
  virtual ProgramSource program_source() const = 0;
};

/// A module as TorchScript: the same tree of parts with the same names, whose parameters and buffers are shared and
/// whose modes are taken over. Parts are Scripted, or LibTorch's Conv2d (padded with zeros, not dilated), BatchNorm2d,
/// Linear, ReLU, ReLU6, Dropout (not in place), Sequential and ModuleList.
torch::jit::Module program_of(const torch::nn::Module& module);

}  // namespace retort
