#pragma once

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/any.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ne.h>

namespace retort {

/// Whether no element is infinite or NaN: zero times anything finite is zero, times anything else NaN.
template <typename T>
bool all_finite(const T* data, int64_t count) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += data[i] * T(0);
  return sum == T(0);
}

/// Whether all elements, in any order, are float or double numbers side by side in the CPU's memory.
inline bool is_plain(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.is_non_overlapping_and_dense() &&
         (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble);
}

/// The contrary as bool [] on the tensor's device, computed asynchronously.
inline at::Tensor any_not_finite(const at::Tensor& tensor) {
  return (tensor * 0).ne(0).any();
}

inline bool all_finite(const at::Tensor& tensor) {
  if (!is_plain(tensor)) return !any_not_finite(tensor).item<bool>();
  return AT_DISPATCH_FLOATING_TYPES(tensor.scalar_type(), "all_finite", [&] {
    return all_finite(tensor.const_data_ptr<scalar_t>(), tensor.numel());
  });
}

}  // namespace retort
