#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace retort::autograd {

/// Whether a gradient to this tensor will be asked for.
bool wants_gradient(const at::Tensor& input);

/// Connects a loss, whose gradients were computed together with it, to its inputs. Backward returns the gradients
/// scaled, and never in place, so that a retained graph can be walked again. Differentiating that backward is refused.
///
/// @param name the loss's name, for error messages
/// @param gradients one for each input; undefined where none was asked for
at::Tensor connect(
    const char* name, const at::Tensor& loss, const std::vector<at::Tensor>& inputs,
    const std::vector<at::Tensor>& gradients);

}  // namespace retort::autograd
