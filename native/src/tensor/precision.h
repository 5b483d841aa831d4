#pragma once

#include <ATen/core/Tensor.h>

namespace retort {

/// What losses of this input are computed in: float64 for float64, float32 for everything else.
inline at::ScalarType compute_dtype(const at::Tensor& input) {
  return input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// What the gradient of a feature map is stored in from forward to backward: bfloat16 for bfloat16, which halves the
/// traffic with memory. float16 would lose small gradients, since the loss is scaled up only in backward.
inline at::ScalarType map_gradient_dtype(const at::Tensor& map) {
  return map.scalar_type() == at::kBFloat16 ? at::kBFloat16 : compute_dtype(map);
}

/// A gradient, scaled, in the dtype of its input.
inline at::Tensor rounded_to(at::ScalarType dtype, at::Tensor gradient) {
  return gradient.scalar_type() == dtype ? gradient : gradient.to(dtype);
}

}  // namespace retort
