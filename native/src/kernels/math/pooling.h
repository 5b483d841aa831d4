#pragma once

#include <stdint.h>

#include "runtime/portable.h"

namespace retort::math {

// Adaptive average pooling from `in` to `out` positions: position i averages the window [begin, end) of its input.
// Windows overlap where `in` is no multiple of `out`.

RETORT_MATH int64_t window_begin(int64_t i, int64_t in, int64_t out) {
  return i * in / out;
}

RETORT_MATH int64_t window_end(int64_t i, int64_t in, int64_t out) {
  return ((i + 1) * in + out - 1) / out;
}

}  // namespace retort::math
