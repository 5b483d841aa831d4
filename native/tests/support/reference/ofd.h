#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <retort/losses/ofd.h>

#include <algorithm>
#include <cmath>

namespace retort::reference {

/// The specification of retort::ofd_loss, as its formula says. Autograd gives its gradients.
inline at::Tensor ofd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin,
    OfdReduction reduction = OfdReduction::kMean) {
  const at::Tensor resized = at::adaptive_avg_pool2d(teacher, student.sizes().slice(2));
  const at::Tensor target = at::maximum(resized, margin.view({1, -1, 1, 1}));
  const at::Tensor counts = student.gt(target).logical_or(target.gt(0));
  const at::Tensor terms = (student - target).square() * counts;
  if (reduction == OfdReduction::kMean) return terms.mean();
  return reduction == OfdReduction::kSum ? terms.sum() : terms.sum() / static_cast<double>(student.size(0));
}

/// The specification of retort::ofd_batch_margin.
inline at::Tensor ofd_batch_margin(const at::Tensor& teacher) {
  const at::Tensor negative = teacher.lt(0).to(teacher.scalar_type());
  return (teacher * negative).sum({0, 2, 3}) / (negative.sum({0, 2, 3}) + 1e-6);
}

/// The specification of retort::ofd_expected_margin for one channel, up to beta = 100 gamma.
inline double ofd_expected_margin(double weight, double beta, bool stable = false) {
  const long double gamma = std::fabs(weight);
  if (gamma == 0) return std::min(beta, 0.0);
  const long double z = beta / gamma;
  const long double density = std::exp(-z * z / 2) / std::sqrt(2 * static_cast<long double>(M_PI));
  const long double probability = std::erfc(z / std::sqrt(2.0L)) / 2;
  const bool holds = stable || probability > 0.001L;
  return static_cast<double>(holds ? beta - gamma * density / probability : -3 * gamma);
}

}  // namespace retort::reference
