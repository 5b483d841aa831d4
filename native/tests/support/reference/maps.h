#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <utility>

namespace retort::reference {

using Pool = at::Tensor (*)(const at::Tensor& map, at::IntArrayRef size);

inline at::Tensor average_pool(const at::Tensor& map, at::IntArrayRef size) {
  return at::adaptive_avg_pool2d(map, size);
}

inline at::Tensor max_pool(const at::Tensor& map, at::IntArrayRef size) {
  return std::get<0>(at::adaptive_max_pool2d(map, size));
}

/// Two maps [B, C, H, W] as [B, C, H W], both pooled down to the smaller height and the smaller width.
inline std::pair<at::Tensor, at::Tensor> of_one_size(
    const at::Tensor& first, const at::Tensor& second, Pool pool = &average_pool) {
  const std::array<int64_t, 2> size = {
      std::min(first.size(2), second.size(2)), std::min(first.size(3), second.size(3))};
  return {pool(first, size).flatten(2), pool(second, size).flatten(2)};
}

}  // namespace retort::reference
