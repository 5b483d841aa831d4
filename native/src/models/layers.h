#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "models/torchscript/program_source.h"

namespace retort {

/// A convolution without bias that keeps the image's size but for its stride, drawn as torch::nn::Conv2d draws it.
torch::nn::Conv2d conv_layer(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t groups = 1);

/// Draws a convolution's weight from the normal distribution of variance 2 / (kernel² out): Kaiming's over the fan out.
/// Its bias, if any, becomes 0.
torch::nn::Conv2d drawn_by_fan_out(torch::nn::Conv2d conv);

/// A chain that another one can contain, which torch::nn::Sequential's template of a forward keeps it from.
class Chain final : public torch::nn::SequentialImpl {
 public:
  using torch::nn::SequentialImpl::SequentialImpl;

  at::Tensor forward(const at::Tensor& x) { return torch::nn::SequentialImpl::forward(x); }
};

/// Maps of a residual network, before their ReLU, from maps after ReLU.
class ResidualBlock : public torch::nn::Module, public Scripted {
 public:
  virtual at::Tensor forward(const at::Tensor& x) = 0;
};

/// Residual blocks one after the other, with ReLU between them. Its parts are called `0`, `1`, ….
class ResidualLayer final : public torch::nn::Module, public Scripted {
 public:
  explicit ResidualLayer(std::vector<std::shared_ptr<ResidualBlock>> blocks);

  /// The last block's output before its ReLU.
  at::Tensor forward(const at::Tensor& x);

  ProgramSource program_source() const override;

 private:
  std::vector<std::shared_ptr<ResidualBlock>> blocks_;
};

}  // namespace retort
