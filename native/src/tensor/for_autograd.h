#pragma once

#include <ATen/core/Tensor.h>

namespace retort {

/// The tensor itself, unless it was made in inference mode, of which autograd can save none: then a copy. Not to be
/// called in that mode.
inline at::Tensor for_autograd(const at::Tensor& tensor) {
  return tensor.is_inference() ? tensor.clone() : tensor;
}

}  // namespace retort
