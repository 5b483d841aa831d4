#pragma once

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>

namespace retort::reference {

/// Two maps [B, C, H, W] as [B, C, H W], both averaged down to the smaller height and the smaller width.
inline std::pair<at::Tensor, at::Tensor> of_one_size(const at::Tensor& first, const at::Tensor& second) {
  const int64_t size[] = {std::min(first.size(2), second.size(2)), std::min(first.size(3), second.size(3))};
  return {at::adaptive_avg_pool2d(first, size).flatten(2), at::adaptive_avg_pool2d(second, size).flatten(2)};
}

}  // namespace retort::reference
