#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <vector>

#include "util/operators.h"

namespace retort::autograd {

/// Whether a gradient to this tensor will be asked for.
bool wants_gradient(const at::Tensor& input);

/// Connects a loss, whose gradients were computed together with it, to its inputs. Backward returns the gradients
/// scaled, and never in place, so that a retained graph can be walked again. Differentiating that backward is refused.
///
/// @param name the loss's name, for error messages
/// @param gradients one for each input; undefined where none was asked for
at::Tensor connect(
    const char* name, const at::Tensor& loss, at::TensorList inputs, const std::vector<at::Tensor>& gradients);

/// The differentiable form of a forward operator: asks `compute(wanted)`, below autograd, for the loss and those
/// gradients that will be used, and connects them to the inputs.
template <size_t n, typename Compute>
LossWithGradients differentiable(const char* name, const std::array<at::Tensor, n>& inputs, const Compute& compute) {
  std::array<bool, n> wanted;
  std::transform(inputs.begin(), inputs.end(), wanted.begin(), &wants_gradient);
  auto [loss, gradients] = [&] {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    return compute(wanted);
  }();
  const bool any = std::any_of(wanted.begin(), wanted.end(), [](bool one) { return one; });
  return {any ? connect(name, loss, inputs, gradients) : loss, {}};
}

}  // namespace retort::autograd
