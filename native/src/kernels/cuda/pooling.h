#pragma once

#include <stdint.h>

#include "kernels/cuda/stream.h"

namespace retort::kernels::cuda {

/// The gradient by pooled maps, contiguous [batch, channels, pooled_height, pooled_width], to be spread over maps
/// [batch, channels, height, width]. Each element gathers what it gets, so that the result does not depend on an order.
template <typename T>
struct PooledGradient {
  const T* pooled;
  /// Where each maximum was, as height * width + ...; null if averages were taken.
  const int64_t* maxima;
  T* gradient;
  int64_t batch;
  int64_t channels;
  int64_t height;
  int64_t width;
  int64_t pooled_height;
  int64_t pooled_width;
  /// Whether the maps' channels lie side by side.
  bool channels_last;
};

template <typename T>
void spread_gradient(Stream stream, const PooledGradient<T>& gradient);

}  // namespace retort::kernels::cuda
