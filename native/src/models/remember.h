#pragma once

#include <ATen/core/Tensor.h>

namespace retort {

/// Whether the contents of one tensor can be copied into another as they are.
inline bool fits(const at::Tensor& target, const at::Tensor& source) {
  return target.sizes() == source.sizes() && target.dtype() == source.dtype() && target.device() == source.device();
}

/// Copies a tensor's contents into memory of their own, the last copy's if they fit. Not for autograd.
inline void remember(at::Tensor& copy, const at::Tensor& tensor) {
  if (copy.defined() && fits(copy, tensor)) {
    copy.copy_(tensor);
  } else {
    copy = tensor.detach().clone();
  }
}

}  // namespace retort
