#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace retort {

/// What the forward operator of a loss returns: the loss, a scalar, and the gradients that were asked for, in the order
/// of the inputs; all in the dtype that it computes in, but gradients of maps in `map_gradient_dtype`.
using LossWithGradients = std::tuple<at::Tensor, std::vector<at::Tensor>>;

/// A loss with those of its gradients that are defined.
inline LossWithGradients with_gradients(at::Tensor loss, std::vector<at::Tensor> gradients) {
  const auto is_undefined = [](const at::Tensor& gradient) { return !gradient.defined(); };
  gradients.erase(std::remove_if(gradients.begin(), gradients.end(), is_undefined), gradients.end());
  return {std::move(loss), std::move(gradients)};
}

/// The operator of that name, which is how the layers of a loss find each other.
template <typename Signature>
c10::TypedOperatorHandle<Signature> find_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

/// Defines an operator that is made of others, which vmap then sees one by one.
template <typename Function>
void define_composite(torch::Library& library, const std::string& schema, Function function) {
  library.def(schema.c_str(), function);
  const std::string name = schema.substr(0, schema.find('('));
  library.impl(name.c_str(), torch::dispatch(c10::DispatchKey::FuncTorchBatchedDecomposition, function));
}

}  // namespace retort
