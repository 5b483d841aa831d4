#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>

#include <numeric>
#include <vector>

namespace retort {

/// The sum of at least one loss.
inline at::Tensor sum(const std::vector<at::Tensor>& losses) {
  return std::accumulate(
      losses.begin() + 1, losses.end(), losses.front(),
      [](const at::Tensor& total, const at::Tensor& loss) { return total + loss; });
}

}  // namespace retort
