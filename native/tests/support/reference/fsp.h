#pragma once

#include <ATen/TensorOperators.h>
#include <retort/losses/fsp.h>

#include <vector>

#include "reference/maps.h"

namespace retort::reference {

/// The FSP matrix of two maps, [B, C_1, C_2]: the mean over positions of F_1 F_2^T.
inline at::Tensor fsp_matrix(
    const at::Tensor& first, const at::Tensor& second, FspPooling pooling = FspPooling::kAverage) {
  const auto [f, g] = of_one_size(first, second, pooling == FspPooling::kMax ? &max_pool : &average_pool);
  return (f.unsqueeze(2) * g.unsqueeze(1)).mean(3);
}

/// What a reduction makes of differences [B, C_1, C_2].
inline at::Tensor reduced(const at::Tensor& difference, FspReduction reduction) {
  const auto batch = static_cast<double>(difference.size(0));
  switch (reduction) {
    case FspReduction::kPaper:
      return difference.square().sum() / batch;
    case FspReduction::kTorchdistill:
      return difference.norm(2, {1}).sum() / batch;
    default:
      return difference.square().mean();
  }
}

/// The specification of retort::fsp_loss, as its formula says. Autograd gives its gradients.
inline std::vector<at::Tensor> fsp_loss(
    const std::vector<at::Tensor>& student, const std::vector<at::Tensor>& teacher, const FspOptions& options = {}) {
  std::vector<int64_t> pairs = options.pairs;
  for (size_t i = 1; options.pairs.empty() && i < student.size(); ++i) {
    pairs.push_back(static_cast<int64_t>(i) - 1);
    pairs.push_back(static_cast<int64_t>(i));
  }
  std::vector<at::Tensor> losses;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const auto matrix = [&](const std::vector<at::Tensor>& maps) {
      return reference::fsp_matrix(maps.at(pairs[i]), maps.at(pairs[i + 1]), options.pooling);
    };
    losses.push_back(reduced(matrix(student) - matrix(teacher), options.reduction));
  }
  return losses;
}

}  // namespace retort::reference
