#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <retort/losses/criterion.h>

#include <optional>
#include <vector>

#include "tensor/operators.h"

namespace retort {

/// None for an undefined tensor.
inline std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

/// Whether a sample has a label, a weight, and a weight of its class.
/// @param class_weights one for each class, or empty
bool any_counts(const CriterionBatch& batch, const std::vector<double>& class_weights = {});

/// The sum of the weights of samples that count, each times that of its class.
double sum_of_weights(const CriterionBatch& batch, const std::vector<double>& class_weights = {});

/// A loss of the student's logits alone, whose gradient is computed with it: a backward pass may as well begin at the
/// logits, which spares it a node.
class LogitsCriterion : public Criterion {
 public:
  at::Tensor forward(const CriterionInput& input) final { return std::get<0>(compute(input, /*gradient=*/false)); }

  /// The loss, connected to nothing, and its gradient by the logits, in memory of its own.
  LossWithGradients differentiate(const CriterionInput& input) {
    const at::AutoDispatchBelowAutograd no_autograd;
    return compute(input, /*gradient=*/true);
  }

  /// It has no buffers, and nothing else that a step could change.
  void snapshot() final {}
  void restore() final {}

 private:
  /// Calls the loss's operator.
  /// @param gradient whether to ask for the gradient by the logits, which autograd does by itself
  virtual LossWithGradients compute(const CriterionInput& input, bool gradient) = 0;
};

}  // namespace retort
