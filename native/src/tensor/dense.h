#pragma once

#include <ATen/core/Tensor.h>

namespace retort {

/// A tensor as kernels take it: contiguous and channels-last maps of common dtypes as they are, of all others a copy.
inline at::Tensor dense(const at::Tensor& tensor) {
  const bool is_common = tensor.scalar_type() == at::kDouble || tensor.scalar_type() == at::kFloat ||
                         tensor.scalar_type() == at::kBFloat16 || tensor.scalar_type() == at::kHalf;
  const at::Tensor values = is_common ? tensor : tensor.to(at::kFloat);
  return values.dim() == 4 && values.is_contiguous(at::MemoryFormat::ChannelsLast) ? values : values.contiguous();
}

}  // namespace retort
