#pragma once

#include <stdint.h>

namespace retort::kernels {

/// How a map's elements are stored; a kernel computes in its own T.
enum class Storage { kSame, kBFloat16, kFloat16 };

/// A feature map of one sample, dense: row-major [channels, height, width], or [height, width, channels] if it is
/// channels-last.
struct FeatureMap {
  const void* values;
  /// Where to write the gradient, in bfloat16 if the values are, else in the type that is computed in; null if none is
  /// asked for.
  void* gradient;
  Storage storage;
  bool channels_last;
  int64_t channels;
  int64_t height;
  int64_t width;
};

/// How a map is brought to a smaller size, in the order of FspPooling.
enum class Pooling { kAverage, kMax };

}  // namespace retort::kernels
