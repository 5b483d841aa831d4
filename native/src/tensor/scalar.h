#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/scalar_tensor.h>

namespace retort {

// Asking LibTorch takes a good part of a microsecond, of which a small step has few.

/// The value of a scalar [], which its device is waited for.
inline double value_of(const at::Tensor& scalar) {
  if (!scalar.is_cpu()) return scalar.item<double>();
  switch (scalar.scalar_type()) {
    case at::kFloat:
      return static_cast<double>(*scalar.const_data_ptr<float>());
    case at::kDouble:
      return *scalar.const_data_ptr<double>();
    default:
      return scalar.item<double>();
  }
}

/// A scalar [] on the CPU.
inline at::Tensor scalar_on_cpu(double value, at::ScalarType dtype) {
  if (dtype != at::kFloat && dtype != at::kDouble) return at::scalar_tensor(value, dtype);
  at::Tensor scalar(at::detail::empty_cpu({}, dtype));
  if (dtype == at::kFloat) {
    *scalar.mutable_data_ptr<float>() = static_cast<float>(value);
  } else {
    *scalar.mutable_data_ptr<double>() = value;
  }
  return scalar;
}

}  // namespace retort
