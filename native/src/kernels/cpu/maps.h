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
        gradient_(wants_gradient ? recycled_like(values_, map_gradient_dtype(values_)) : at::Tensor()) {}

  FeatureMap sample(int64_t b) const {
    return at_element(b * values_.stride(0), values_.size(1), values_.size(2), values_.size(3));
  }

  bool channels_last() const { return !values_.is_contiguous(); }

  /// Some neighbouring channels of a sample, of maps that are not channels-last.
  FeatureMap channels(int64_t b, int64_t begin, int64_t count) const {
    const int64_t first = b * values_.stride(0) + begin * values_.stride(1);
    return at_element(first, count, values_.size(2), values_.size(3));
  }

  /// Some neighbouring positions of a sample, as a map of one row, of maps that are channels-last.
  FeatureMap positions(int64_t b, int64_t begin, int64_t count) const {
    const int64_t channels = values_.size(1);
    return at_element(b * values_.stride(0) + begin * channels, channels, 1, count);
  }

  /// Undefined if none was asked for.
  const at::Tensor& gradient() const { return gradient_; }

 private:
  FeatureMap at_element(int64_t first, int64_t channels, int64_t height, int64_t width) const {
    const auto offset = static_cast<size_t>(first);
    return {
        static_cast<const char*>(values_.const_data_ptr()) + offset * values_.element_size(),
        gradient_.defined() ? static_cast<char*>(gradient_.mutable_data_ptr()) + offset * gradient_.element_size()
                            : nullptr,
        storage_of(values_),
        channels_last(),
        channels,
        height,
        width};
  }

  at::Tensor values_;
  at::Tensor gradient_;
};

}  // namespace retort::kernels
