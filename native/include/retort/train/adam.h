#pragma once

#include <retort/export.h>
#include <retort/train/optimizer.h>

namespace retort {

/// Adam as in torch.optim.Adam or, with decoupled weight decay, AdamW as in torch.optim.AdamW. The t-th update of a
/// parameter is
///
///   g = gradient + (decoupled ? 0 : weight_decay * parameter)
///   m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g^2
///   parameter -= learning_rate * (decoupled ? weight_decay * parameter : 0)
///   parameter -= learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
///
/// Sources: Kingma, Ba: Adam: A Method for Stochastic Optimization, ICLR 2015; Loshchilov, Hutter: Decoupled Weight
/// Decay Regularization, ICLR 2019.
struct RETORT_API AdamOptions : OptimizerOptions {
  AdamOptions() { learning_rate = 1e-3; }

  /// In [0, 1).
  double beta1 = 0.9;
  /// In [0, 1).
  double beta2 = 0.999;
  /// > 0
  double epsilon = 1e-8;
  /// Whether the weight decay is AdamW's.
  bool decoupled = false;

  std::unique_ptr<Optimizer> build(std::vector<std::pair<std::string, at::Tensor>> parameters) const override;
  std::string description() const override;
};

}  // namespace retort
