#pragma once

#include <stdint.h>

#include "kernels/math/exp.h"

namespace retort::math {

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
