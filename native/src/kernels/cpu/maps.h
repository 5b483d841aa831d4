#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include "kernels/cpu/feature_map.h"
#include "util/precision.h"

namespace retort::kernels {

/// A batch of feature maps as a kernel takes it, with room for its gradient if one is asked for.
class Maps {
 public:
  Maps(const at::Tensor& maps, bool wants_gradient)
      : maps_(maps),
        values_(maps.to(compute_dtype(maps)).contiguous()),
        gradient_(wants_gradient ? at::empty_like(values_) : at::Tensor()) {}

  template <typename T>
  FeatureMap<T> sample(int64_t b) const {
    const int64_t offset = b * values_.stride(0);
    return {
        values_.const_data_ptr<T>() + offset, gradient_.defined() ? gradient_.mutable_data_ptr<T>() + offset : nullptr,
        values_.size(1), values_.size(2), values_.size(3)};
  }

  /// The gradient in the dtype of the maps; undefined if none was asked for.
  at::Tensor gradient() const { return like(maps_, gradient_); }

 private:
  at::Tensor maps_;
  at::Tensor values_;
  at::Tensor gradient_;
};

}  // namespace retort::kernels
