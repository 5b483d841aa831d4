#pragma once

#include "kernels/math/exp.h"

namespace retort::math {

// Kernels of two unit vectors, as functions of their inner product, with derivatives.

template <typename T>
RETORT_MATH T nst_polynomial(T product) {
  return product * product;
}

template <typename T>
RETORT_MATH T nst_polynomial_slope(T product) {
  return 2 * product;
}

/// exp(-|x - y|^2 / (2 sigma^2)); `squares` is |x|^2 + |y|^2. Its derivative is the kernel itself, divided by sigma^2.
template <typename T>
RETORT_MATH T nst_gaussian(T product, T squares, T half_inverse_variance) {
  const T distance = squares - 2 * product;
  return exp_nonpositive(-half_inverse_variance * (distance < T(0) ? T(0) : distance));
}

}  // namespace retort::math
