#pragma once

#include <ATen/core/Tensor.h>

namespace retort {

/// What losses of this input are computed in: float64 for float64, float32 for everything else.
inline at::ScalarType compute_dtype(const at::Tensor& input) {
  return input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// A gradient, if there is one, in the dtype of its input.
inline at::Tensor like(const at::Tensor& input, const at::Tensor& gradient) {
  const bool is_like = !gradient.defined() || gradient.scalar_type() == input.scalar_type();
  return is_like ? gradient : gradient.to(input.scalar_type());
}

}  // namespace retort
