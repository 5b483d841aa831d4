#pragma once

#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <type_traits>

#include "tensor/precision.h"

namespace retort::kernels::cuda {

/// A loss as kernels return it, from parts of its sum; nothing waits for it.
inline at::Tensor scalar_loss(const at::Tensor& parts, double scale, at::ScalarType dtype) {
  return parts.sum().mul_(scale).to(dtype);
}

/// What is computed in where elements are stored as S.
template <typename S>
using Computed = std::conditional_t<std::is_same_v<S, double>, double, float>;

/// A gradient of maps, undefined if none was asked for, as forward operators return it.
inline at::Tensor stored_gradient(const at::Tensor& maps, const at::Tensor& gradient) {
  return gradient.defined() ? rounded_to(map_gradient_dtype(maps), gradient) : gradient;
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
