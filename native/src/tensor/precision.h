#pragma once

#include <ATen/core/Tensor.h>

namespace retort {

/// What losses of this input are computed in: float64 for float64, float32 for everything else.
inline at::ScalarType compute_dtype(const at::Tensor& input) {
  return input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// A gradient, scaled, in the dtype of its input.
inline at::Tensor rounded_to(at::ScalarType dtype, at::Tensor gradient) {
  return gradient.scalar_type() == dtype ? gradient : gradient.to(dtype);
}

}  // namespace retort
