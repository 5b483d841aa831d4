#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <cstdint>
#include <memory>

#include "convolution/packed_weights.h"
#include "models/torchscript/program.h"

namespace retort {

/// A network's program in evaluation mode, in which convolutions are one operator with the BatchNorm, the sum of a
/// residual and the ReLU that follow them. It reads the program's own tensors, so that it computes with the weights of
/// the moment, of which it keeps some packed; without gradients.
class FusedProgram {
 public:
  /// @throws std::exception if the program can't be looked into
  explicit FusedProgram(const torch::jit::Module& program);

  /// How many convolutions have something fused with them.
  int64_t fused() const { return fused_; }

  ProgramOutput run(const at::Tensor& images, const Refusal& refuse) const;

 private:
  torch::jit::Module program_;
  int64_t fused_ = 0;
  std::unique_ptr<torch::jit::Code> code_;
  mutable PackedWeights weights_;
};

}  // namespace retort
