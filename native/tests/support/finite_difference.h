#pragma once

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <functional>

namespace retort::test {

/// The gradient of a scalar function at `x` by central differences, in float64. Agrees with the true gradient to about
/// 1e-7.
inline at::Tensor finite_difference(const std::function<at::Tensor(const at::Tensor&)>& function, const at::Tensor& x) {
  constexpr double kStep = 1e-5;
  const at::NoGradGuard no_grad;
  at::Tensor point = x.detach().to(at::kDouble).contiguous().clone();
  at::Tensor gradient = at::empty_like(point);
  auto* values = point.mutable_data_ptr<double>();
  auto* slopes = gradient.mutable_data_ptr<double>();
  for (int64_t i = 0; i < point.numel(); ++i) {
    const double middle = values[i];
    values[i] = middle + kStep;
    const double above = function(point).item<double>();
    values[i] = middle - kStep;
    const double below = function(point).item<double>();
    values[i] = middle;
    slopes[i] = (above - below) / (2 * kStep);
  }
  return gradient;
}

}  // namespace retort::test
