#pragma once

#include <stdint.h>

#include "kernels/math/exp.h"

namespace retort::math {

/// The divisor of shorter channels, as in torch.nn.functional.normalize.
constexpr double kSmallestNorm = 1e-12;
/// Below this, which is what rounding may leave, all vectors of a sample are one, and so is the Gaussian kernel.
constexpr double kSmallestVariance = 1e-12;

/// What a channel's gradient by its unit vector, less the part along the vector unless the channel is short, is
/// multiplied by to become one by the channel itself.
RETORT_MATH double nst_gradient_factor(double norm, double scale, double dead_channel_norm) {
  return norm < dead_channel_norm ? 0 : scale / (norm < kSmallestNorm ? kSmallestNorm : norm);
}

/// Whether, for the squared inner product, the matrix of positions takes fewer operations than that of channels.
RETORT_MATH bool nst_prefers_positions(int64_t positions, int64_t students, int64_t teachers) {
  const int64_t channels = students + teachers;
  return positions * (channels + 2 * students) <= channels * (channels + 2 * students);
}

/// base^exponent for an exponent of 0 or more.
template <typename T>
RETORT_MATH T power(T base, int64_t exponent) {
  T result = 1;
  for (int64_t i = 0; i < exponent; ++i) result *= base;
  return result;
}

/// exp(-|x - y|^2 / (2 sigma^2)) of two vectors, given their inner product; `squares` is |x|^2 + |y|^2. Its derivative
/// by the inner product is the kernel itself, divided by sigma^2.
template <typename T>
RETORT_MATH T nst_gaussian(T product, T squares, T half_inverse_variance) {
  const T distance = squares - 2 * product;
  return exp_nonpositive(-half_inverse_variance * (distance < T(0) ? T(0) : distance));
}

}  // namespace retort::math
