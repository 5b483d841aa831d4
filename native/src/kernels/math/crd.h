#pragma once

#include "kernels/math/exp.h"

namespace retort::math {

/// Added to probabilities by the reference code.
constexpr double kCrdEpsilon = 1e-7;

/// log(1 + x) for 0 <= x <= 1 to the last few places, as 2 atanh(x / (2 + x)). Without branches or calls, so that
/// compilers turn loops over it into vector code.
RETORT_MATH float log1p_unit(float x) {
  const float z = x / (2.0f + x);
  const float s = z * z;
  float p = 1.0f / 15;
  p = p * s + 1.0f / 13;
  p = p * s + 1.0f / 11;
  p = p * s + 1.0f / 9;
  p = p * s + 1.0f / 7;
  p = p * s + 1.0f / 5;
  p = p * s + 1.0f / 3;
  p = p * s + 1.0f;
  return 2 * z * p;
}

RETORT_MATH double log1p_unit(double x) {
  const double z = x / (2.0 + x);
  const double s = z * z;
  double p = 1.0 / 33;
  p = p * s + 1.0 / 31;
  p = p * s + 1.0 / 29;
  p = p * s + 1.0 / 27;
  p = p * s + 1.0 / 25;
  p = p * s + 1.0 / 23;
  p = p * s + 1.0 / 21;
  p = p * s + 1.0 / 19;
  p = p * s + 1.0 / 17;
  p = p * s + 1.0 / 15;
  p = p * s + 1.0 / 13;
  p = p * s + 1.0 / 11;
  p = p * s + 1.0 / 9;
  p = p * s + 1.0 / 7;
  p = p * s + 1.0 / 5;
  p = p * s + 1.0 / 3;
  p = p * s + 1.0;
  return 2 * z * p;
}

/// log(1 + e^x), where `decay` is e^-|x|.
template <typename T>
RETORT_MATH T softplus(T x, T decay) {
  return (x > T(0) ? x : T(0)) + log1p_unit(decay);
}

/// The derivative of softplus, 1 / (1 + e^-x), where `decay` is e^-|x|.
template <typename T>
RETORT_MATH T sigmoid(T x, T decay) {
  return (x < T(0) ? decay : T(1)) / (T(1) + decay);
}

}  // namespace retort::math
