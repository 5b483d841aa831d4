#pragma once

#include <ATen/core/Tensor.h>

namespace retort {

/// The elements one after the other in the CPU's memory: the tensor itself where they are. Without gradients.
inline at::Tensor contiguous_on_cpu(const at::Tensor& tensor) {
  // Asking LibTorch to do nothing takes a fraction of a microsecond, of which a small step has few.
  if (tensor.is_cpu() && tensor.is_contiguous()) return tensor;
  return tensor.detach().cpu().contiguous();
}

/// The same as numbers of a dtype.
inline at::Tensor contiguous_on_cpu(const at::Tensor& tensor, at::ScalarType dtype) {
  return contiguous_on_cpu(tensor.scalar_type() == dtype ? tensor : tensor.detach().to(dtype));
}

}  // namespace retort
