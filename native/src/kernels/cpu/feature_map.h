#pragma once

#include <stdint.h>

namespace retort::kernels {

/// A feature map of one sample, row-major [channels, height, width].
template <typename T>
struct FeatureMap {
  const T* values;
  /// Where to write the gradient; null if none is asked for.
  T* gradient;
  int64_t channels;
  int64_t height;
  int64_t width;
};

}  // namespace retort::kernels
