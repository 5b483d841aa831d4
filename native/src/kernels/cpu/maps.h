#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cpu/feature_map.h"
#include "runtime/recycler.h"
#include "tensor/dense.h"
#include "tensor/precision.h"

namespace retort::kernels {

/// How the elements of a `dense` tensor are stored.
inline Storage storage_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kBFloat16:
      return Storage::kBFloat16;
    case at::kHalf:
      return Storage::kFloat16;
    default:
      return Storage::kSame;
  }
}

/// A batch of feature maps as a kernel takes it, with room for its gradient if one is asked for.
class Maps {
 public:
  Maps(const at::Tensor& maps, bool wants_gradient)
      : values_(dense(maps)),
        gradient_(wants_gradient ? recycled_like(values_, compute_dtype(values_)) : at::Tensor()) {}

  FeatureMap sample(int64_t b) const {
    const auto offset = static_cast<size_t>(b * values_.stride(0));
    return {
        static_cast<const char*>(values_.const_data_ptr()) + offset * values_.element_size(),
        gradient_.defined() ? static_cast<char*>(gradient_.mutable_data_ptr()) + offset * gradient_.element_size()
                            : nullptr,
        storage_of(values_),
        !values_.is_contiguous(),
        values_.size(1),
        values_.size(2),
        values_.size(3)};
  }

  /// Undefined if none was asked for.
  const at::Tensor& gradient() const { return gradient_; }

 private:
  at::Tensor values_;
  at::Tensor gradient_;
};

}  // namespace retort::kernels
