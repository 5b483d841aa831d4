#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>

#include <c10/util/SmallVector.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tensor/operators.h"

namespace retort::autograd {

/// Whether a gradient to this tensor will be asked for.
bool wants_gradient(const at::Tensor& input);

/// Connects a loss, whose gradients were computed together with it, to its inputs. Backward returns the gradients
/// scaled, in memory of their own as long as the graph is retained, so that it can be walked again whatever becomes of
/// them. Differentiating that backward is refused.
///
/// @param name the loss's name, for error messages; a literal
/// @param loss a tensor of no graph
/// @param gradients one for each input; undefined where none was asked for
at::Tensor connect(const char* name, const at::Tensor& loss, at::TensorList inputs, std::vector<at::Tensor> gradients);

/// One flag for each input of a loss: whether its gradient will be used.
using Wanted = c10::SmallVector<bool, 8>;

/// The differentiable form of a forward operator: asks `compute(wanted)`, below autograd, for the loss and those
/// gradients that will be used, and connects them to the inputs.
template <typename Compute>
LossWithGradients differentiable(const char* name, at::TensorList inputs, const Compute& compute) {
  Wanted wanted;
  for (const at::Tensor& input : inputs) wanted.push_back(wants_gradient(input));
  auto [loss, gradients] = [&] {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    return compute(wanted);
  }();
  if (std::find(wanted.begin(), wanted.end(), true) == wanted.end()) return {loss, {}};
  // A kernel may have computed more than was asked for.
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!wanted[i]) gradients[i].reset();
  }
  return {connect(name, loss, inputs, std::move(gradients)), {}};
}

}  // namespace retort::autograd
