#pragma once

#include <retort/export.h>
#include <retort/train/optimizer.h>

namespace retort {

/// Stochastic gradient descent as in torch.optim.SGD, with dampening 0:
///
///   g = gradient + weight_decay * parameter;  v = momentum * v + g
///   parameter -= learning_rate * (nesterov ? g + momentum * v : v)
struct RETORT_API SgdOptions : OptimizerOptions {
  /// In [0, 1).
  double momentum = 0.0;
  /// Requires a positive momentum.
  bool nesterov = false;

  std::unique_ptr<Optimizer> build(std::vector<std::pair<std::string, at::Tensor>> parameters) const override;
  std::string description() const override;
};

}  // namespace retort
