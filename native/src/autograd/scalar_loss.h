#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace retort::autograd {

/// An input of a loss with its gradient, as the forward operator returned it; undefined where none was asked for.
struct InputWithGradient {
  at::Tensor input;
  at::Tensor gradient;
};

/// Connects a loss, whose gradients were computed together with it, to its inputs. Backward returns the gradients
/// scaled, then rounded to the dtypes of the inputs, in memory of their own as long as the graph is retained, so that
/// it can be walked again whatever becomes of them. Differentiating that backward is refused.
///
/// @param name the name of the loss, for error messages
/// @param loss a tensor of no graph
void connect(const std::string& name, const at::Tensor& loss, std::vector<InputWithGradient> inputs);

/// The same gradient, connected to the inputs: differentiating it fails, where it would otherwise give 0.
at::Tensor differentiable_once(const std::string& name, const at::Tensor& gradient, at::TensorList inputs);

}  // namespace retort::autograd
