#pragma once

#include <ATen/TensorOperators.h>
#include <retort/losses/nst.h>

#include <vector>

#include "reference/maps.h"

namespace retort::reference {

/// |x - y|^2 for all pairs of vectors of [B, n, P] and [B, m, P]: [B, n, m].
inline at::Tensor squared_distances(const at::Tensor& x, const at::Tensor& y) {
  return (x.unsqueeze(2) - y.unsqueeze(1)).square().sum(3);
}

/// Channels as unit vectors.
inline at::Tensor unit_vectors(const at::Tensor& channels) {
  return channels / channels.norm(2, {2}, /*keepdim=*/true).clamp_min(1e-12);
}

/// The variance of the Gaussian kernel of each sample, [B, 1, 1]: a constant.
inline at::Tensor nst_variance(const at::Tensor& student, const at::Tensor& teacher) {
  const auto [s, t] = of_one_size(student.detach(), teacher.detach());
  return squared_distances(unit_vectors(s), unit_vectors(t)).mean({1, 2}, /*keepdim=*/true).clamp_min(1e-12);
}

/// The specification of retort::nst_loss for one layer, as its formula says:
///
///   loss = mean over B of (mean k(s, s') + mean k(t, t') - 2 mean k(s, t))
///
/// @param variance of the Gaussian kernel; the others ignore it
inline at::Tensor nst_loss(
    const at::Tensor& student, const at::Tensor& teacher, const NstOptions& options, const at::Tensor& variance) {
  const auto mean_kernel = [&](const at::Tensor& x, const at::Tensor& y) {
    if (options.kernel == NstKernel::kGaussian) return (squared_distances(x, y) / (-2 * variance)).exp().mean();
    const at::Tensor products = (x.unsqueeze(2) * y.unsqueeze(1)).sum(3);
    return options.kernel == NstKernel::kLinear ? products.mean()
                                                : (products + options.offset).pow(options.degree).mean();
  };
  const auto [s, t] = of_one_size(student, teacher);
  const at::Tensor x = unit_vectors(s);
  const at::Tensor y = unit_vectors(t);
  const at::Tensor loss = mean_kernel(x, x) - 2 * mean_kernel(x, y);
  return options.teacher_term ? loss + mean_kernel(y, y) : loss;
}

/// The variance of the Gaussian kernel for two maps: the one of the options, or the maps' own.
inline at::Tensor nst_variance(const at::Tensor& student, const at::Tensor& teacher, const NstOptions& options) {
  return options.variance ? at::full({}, *options.variance, at::kDouble) : nst_variance(student, teacher);
}

/// The specification of retort::nst_loss with dead_channel_norm 0. Autograd gives its gradients.
inline std::vector<at::Tensor> nst_loss(
    const std::vector<at::Tensor>& student, const std::vector<at::Tensor>& teacher, const NstOptions& options) {
  std::vector<at::Tensor> losses;
  for (size_t i = 0; i < student.size(); ++i) {
    losses.push_back(nst_loss(student[i], teacher[i], options, nst_variance(student[i], teacher[i], options)));
  }
  return losses;
}

}  // namespace retort::reference
