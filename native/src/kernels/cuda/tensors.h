#pragma once

#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include "tensor/precision.h"

namespace retort::kernels::cuda {

/// A loss as kernels return it, from parts of its sum; nothing waits for it.
inline at::Tensor scalar_loss(const at::Tensor& parts, double scale, at::ScalarType dtype) {
  return parts.sum().mul_(scale).to(dtype);
}

template <typename T>
const T* data(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<const T*>(tensor.const_data_ptr()) : nullptr;
}

template <typename T>
T* mutable_data(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.mutable_data_ptr()) : nullptr;
}

}  // namespace retort::kernels::cuda
