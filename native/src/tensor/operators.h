#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <tuple>
#include <vector>

namespace retort {

/// What a loss's forward operator returns: the loss, a scalar, and its gradients, one for each input that may want
/// one; those that were not asked for are undefined.
using LossWithGradients = std::tuple<at::Tensor, std::vector<at::Tensor>>;

/// The operator of that name, which is how the layers of a loss find each other.
template <typename Signature>
c10::TypedOperatorHandle<Signature> find_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

}  // namespace retort
