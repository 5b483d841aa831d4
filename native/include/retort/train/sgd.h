#pragma once

#include <retort/export.h>

#include <cstdint>
#include <vector>

namespace retort {

/// Stochastic gradient descent as torch.optim.SGD does it (dampening 0, no Nesterov), with a multi-step schedule:
///
///   g = gradient + weight_decay * parameter;  v = momentum * v + g;  parameter -= learning_rate(step) * v
struct RETORT_API SgdOptions {
  /// Learning rate of the first step, > 0.
  double learning_rate = 0.1;
  /// In [0, 1).
  double momentum = 0.0;
  /// >= 0, applied to every trained parameter.
  double weight_decay = 0.0;
  /// Numbers of completed steps, ascending, from which on the learning rate is multiplied by milestone_factor once
  /// more.
  std::vector<int64_t> milestones;
  /// > 0
  double milestone_factor = 0.1;
};

}  // namespace retort
