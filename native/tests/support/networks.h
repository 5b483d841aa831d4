#pragma once

#include <retort/models/network.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <functional>

namespace retort::test {

/// A network as a user might write one, small enough for a test: convolution, BatchNorm, ReLU, dropout, average,
/// classifier; for images [B, 3, height, width] with at least two pixels. Taps: `map` [B, 4, height, width] and
/// `embedding` [B, 4].
class TinyNetwork final : public Network {
 public:
  explicit TinyNetwork(int64_t classes = 5, double dropout = 0.0, int64_t channels = 3);

  /// Called in the middle of every forward pass, after BatchNorm has moved and dropout has drawn.
  std::function<void()> halfway;
  /// Called at the end of every forward pass.
  std::function<void(NetworkOutput&)> at_end;

 protected:
  NetworkOutput compute(const at::Tensor& images) override;

 private:
  double dropout_;
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
  torch::nn::Linear head_{nullptr};
};

/// A classifier of flat images [B, features] without any tap: logits = images * weight^T + bias.
class LinearNetwork final : public Network {
 public:
  LinearNetwork(int64_t features, int64_t classes);

 protected:
  NetworkOutput compute(const at::Tensor& images) override;

 private:
  torch::nn::Linear head_{nullptr};
};

}  // namespace retort::test
