#pragma once

#include <ATen/core/Tensor.h>
#include <retort/train/sgd.h>

#include <cstdint>
#include <vector>

namespace retort {

/// SGD over a list of parameters, in place.
class Sgd {
 public:
  /// @throws c10::ValueError if an option is out of range
  Sgd(SgdOptions options, std::vector<at::Tensor> parameters);

  /// The learning rate after `step` completed steps.
  double learning_rate(int64_t step) const;

  /// Updates every parameter whose gradient is defined.
  void update(const std::vector<at::Tensor>& gradients, int64_t step);

  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  /// One buffer for each parameter; empty without momentum.
  const std::vector<at::Tensor>& momentum() const { return momentum_; }

 private:
  SgdOptions options_;
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> momentum_;
};

}  // namespace retort
