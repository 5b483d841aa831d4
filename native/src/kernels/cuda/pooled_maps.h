#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cuda/stream.h"

namespace retort::kernels::cuda {

/// In the order of FspPooling.
enum class Pooling { kAverage, kMax };

/// A batch of feature maps in the dtype that is computed in, brought to a height and width that are no larger.
class PooledMaps {
 public:
  PooledMaps(const at::Tensor& maps, int64_t height, int64_t width, Pooling pooling);

  /// [batch, channels, positions], with positions or channels side by side as the maps have them.
  const at::Tensor& matrix() const { return matrix_; }
  bool channels_last() const { return matrix_.stride(1) == 1 && matrix_.stride(2) != 1; }

  /// The gradient by the maps, given that by `matrix` in new memory, laid out as `matrix` is.
  at::Tensor spread(Stream stream, const at::Tensor& gradient) const;

 private:
  at::Tensor maps_;
  at::Tensor matrix_;
  /// Where each maximum was; undefined if averages were taken.
  at::Tensor maxima_;
  int64_t height_;
  int64_t width_;
  bool is_pooled_;
};

}  // namespace retort::kernels::cuda
