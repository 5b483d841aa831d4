#pragma once

#include <stdint.h>

#include "runtime/portable.h"

namespace retort::math {

/// What is added to a row's deviation, so that equal logits become zeros.
constexpr double kStandardiseEpsilon = 1e-7;

/// With z = (x - mean) / (d + epsilon), d the deviation over classes - 1, the derivative by x_j of sum_i g_i z_i is
///
///   (g_j - mean g) / (d + epsilon) - z_j * sum_i g_i z_i * slope,    slope = 1 / ((classes - 1) d)
///
/// and the second part is 0 where d is, as PyTorch has it.
template <typename T>
RETORT_MATH T standardised_slope(T deviation, int64_t classes) {
  return deviation > T(0) ? T(1) / (static_cast<T>(classes - 1) * deviation) : T(0);
}

}  // namespace retort::math
