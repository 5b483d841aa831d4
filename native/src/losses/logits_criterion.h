#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <retort/losses/criterion.h>

#include "tensor/operators.h"

namespace retort {

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

 private:
  /// Calls the loss's operator.
  /// @param gradient whether to ask for the gradient by the logits, which autograd does by itself
  virtual LossWithGradients compute(const CriterionInput& input, bool gradient) = 0;
};

}  // namespace retort
